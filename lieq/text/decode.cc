#include "lieq/text/decode.h"

#include <algorithm>

#include "lieq/base/utf8.h"
#include "lieq/text/normalize.h"

namespace lieq::text {
namespace {

constexpr bool is_printable(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::size_t kAlphabetEnd = 256 + 68;  // the 68 other bytes are, in order, U+0100 and on

struct Alphabet {
  std::array<char32_t, 256> to_char{};
  std::array<std::int16_t, kAlphabetEnd> to_byte{};  // -1: not in the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (auto& byte : alphabet.to_byte) byte = -1;
  char32_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    alphabet.to_char[byte] = is_printable(byte) ? byte : next++;
    alphabet.to_byte[alphabet.to_char[byte]] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

/// All bytes together; what is no UTF-8 becomes U+FFFD only after joining, so that cut characters heal.
std::vector<std::string> byte_level(const std::vector<std::string>& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += alphabet_bytes(token).value_or(token);
  return {repair_utf8(bytes).text};
}

/// Runs of byte tokens become their text, or one U+FFFD for each byte when they are none.
std::vector<std::string> byte_fallback(const std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (is_utf8(run)) {
      out.push_back(run);
    } else {
      out.insert(out.end(), run.size(), "\uFFFD");
    }
    run.clear();
  };
  for (const std::string& token : tokens) {
    if (const auto byte = byte_token(token)) {
      run.push_back(static_cast<char>(*byte));
    } else {
      flush();
      out.push_back(token);
    }
  }
  flush();
  return out;
}

std::string strip(std::string_view token, const DecoderStep& step) {
  std::string mark;
  append_utf8(mark, step.strip);
  for (std::size_t n = 0; n < step.start && token.starts_with(mark); ++n) token.remove_prefix(mark.size());
  for (std::size_t n = 0; n < step.stop && token.ends_with(mark); ++n) token.remove_suffix(mark.size());
  return std::string(token);
}

std::string join(const std::vector<std::string>& tokens, std::string_view joint) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) text.append(i == 0 ? "" : joint).append(tokens[i]);
  return text;
}

}  // namespace

char32_t byte_to_char(std::uint8_t byte) { return kAlphabet.to_char[byte]; }

std::optional<std::string> alphabet_bytes(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const CodePoint point = decode_utf8(token, at);
    if (point.value >= kAlphabetEnd || kAlphabet.to_byte[point.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.to_byte[point.value]));
    at += point.bytes;
  }
  return bytes;
}

std::optional<std::uint8_t> byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (const char c : token.substr(3, 2)) {
    value *= 16;
    if (c >= '0' && c <= '9') value += static_cast<unsigned>(c - '0');
    else if (c >= 'A' && c <= 'F') value += static_cast<unsigned>(c - 'A' + 10);
    else if (c >= 'a' && c <= 'f') value += static_cast<unsigned>(c - 'a' + 10);
    else return std::nullopt;
  }
  return static_cast<std::uint8_t>(value);
}

std::string Decoder::apply(std::vector<std::string> tokens) const {
  for (const DecoderStep& step : steps) {
    switch (step.kind) {
      case DecoderStep::Kind::kByteLevel: tokens = byte_level(tokens); break;
      case DecoderStep::Kind::kByteFallback: tokens = byte_fallback(tokens); break;
      case DecoderStep::Kind::kFuse: tokens = {join(tokens, "")}; break;
      case DecoderStep::Kind::kReplace:
        for (std::string& token : tokens) token = replace_all(token, step.from, step.to);
        break;
      case DecoderStep::Kind::kMetaspace:
        for (std::size_t i = 0; i < tokens.size(); ++i)
          tokens[i] = replace_all(tokens[i], step.from, i == 0 && step.start != 0 ? "" : " ");
        break;
      case DecoderStep::Kind::kStrip:
        for (std::string& token : tokens) token = strip(token, step);
        break;
    }
  }
  return join(tokens, joint);
}

}  // namespace lieq::text
