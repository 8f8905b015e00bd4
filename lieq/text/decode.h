#pragma once
/// From tokens back to text.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lieq::text {

struct DecoderStep {
  enum class Kind { kByteLevel, kReplace, kByteFallback, kFuse, kStrip, kMetaspace } kind = Kind::kByteLevel;
  std::string from, to;         ///< kReplace; `from` is not empty. kMetaspace: `from` becomes a blank
  char32_t strip = U' ';        ///< kStrip: this character,
  std::size_t start = 0;        ///< at most so many of it at the start of each token. kMetaspace: 0, or 1: none of
                                ///< the first token's becomes a blank, all are left out
  std::size_t stop = 0;         ///< and at its end
};

/// The steps one after the other over the list of tokens, which are then joined.
struct Decoder {
  std::vector<DecoderStep> steps;
  std::string joint;  ///< between tokens at the end; a file without a decoder asks for a blank
  [[nodiscard]] std::string apply(std::vector<std::string> tokens) const;
};

/// The byte of a token of the form <0x0A>.
[[nodiscard]] std::optional<std::uint8_t> byte_token(std::string_view token);

/// The byte-level alphabet: the printable character that stands for each byte, and back.
[[nodiscard]] char32_t byte_to_char(std::uint8_t byte);
/// The bytes a token of that alphabet stands for; nothing when a character is not in it.
[[nodiscard]] std::optional<std::string> alphabet_bytes(std::string_view token);

}  // namespace lieq::text
