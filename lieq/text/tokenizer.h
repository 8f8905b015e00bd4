#pragma once
/// Text <-> token ids, equal to the reference tokenizer token for token.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/io/gguf.h"

namespace lieq::text {

using TokenId = std::int32_t;

enum class SpecialTokens { kNone, kAdd };      ///< encode: what the post-processor adds (BOS, EOS)
enum class SpecialText { kKeep, kSkip };       ///< decode: special tokens as text, or left out

/// Immutable after loading; encode and decode may be called from several threads at once.
class Tokenizer {
 public:
  /// Reads a Hugging Face tokenizer.json (BPE models), and from the files beside it the added tokens that it lacks
  /// (folder_tokens.h). Errors: kNotFound, kInvalidFormat,
  /// kUnsupported naming the component (model, normalizer, pre_tokenizer, ...) that is not handled.
  [[nodiscard]] static Result<Tokenizer> from_json_file(const std::filesystem::path& file);
  /// The same from the contents of such a file; `place` opens the message of an error.
  [[nodiscard]] static Result<Tokenizer> from_json_text(std::string_view json, const std::string& place);
  /// Reads a tokenizer.model (sentencepiece.h), with the added tokens that the files beside it name. Errors: as above.
  [[nodiscard]] static Result<Tokenizer> from_sentencepiece_file(const std::filesystem::path& file);
  /// The tokenizer inside a GGUF (tokenizer.ggml.model "gpt2" or "llama"). Errors: kNotFound when there is none,
  /// kInvalidFormat, kUnsupported naming the model or the pre-tokenizer and listing those that are handled.
  [[nodiscard]] static Result<Tokenizer> from_gguf(const io::Gguf& gguf);
  /// A model folder (its tokenizer.json, or where that is missing its tokenizer.model), one of these files itself, or a
  /// .gguf file.
  [[nodiscard]] static Result<Tokenizer> load(const std::filesystem::path& path);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Ids of `text`; what is no UTF-8 in it is read as U+FFFD (see utf8.h for counting that). Special and added tokens
  /// are found in the text either way. Deterministic; O(n log n) in the length of `text`, whatever it holds.
  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, SpecialTokens special) const;
  /// Text of `ids`; bytes that are no UTF-8 become U+FFFD as in the reference. Unknown ids are left out.
  [[nodiscard]] std::string decode(std::span<const TokenId> ids, SpecialText special) const;

  /// Lines about what the files left open or contradict, and what was taken: for the user to see.
  [[nodiscard]] const std::vector<std::string>& warnings() const;
  /// One more than the largest id.
  [[nodiscard]] std::size_t vocab_size() const;
  /// E.g. "byte-level BPE (Qwen2 pattern)".
  [[nodiscard]] std::string kind() const;
  [[nodiscard]] std::optional<TokenId> id_of(std::string_view token) const;
  [[nodiscard]] bool is_special(TokenId id) const;
  /// The bytes that `id` adds to a text in whose middle it stands, not always UTF-8 by themselves. Empty for special
  /// tokens, and for ids that are never decoded.
  [[nodiscard]] std::string token_bytes(TokenId id) const;

  struct Impl;  ///< the parts, known to text/ only
  [[nodiscard]] const Impl& impl() const { return *impl_; }
  explicit Tokenizer(std::unique_ptr<const Impl> impl);

 private:
  std::unique_ptr<const Impl> impl_;
};

}  // namespace lieq::text
