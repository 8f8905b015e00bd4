#pragma once
/// Private to text/: which pre-tokenizer a GGUF file means, for running it and for writing it as tokenizer.json.

#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/io/gguf.h"

namespace lieq::text {

/// tokenizer.ggml.token_type
enum GgufTokenType : std::int64_t {
  kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6
};

/// What byte-level BPE does before it merges. The patterns are those of the tokenizer.json files that the names stand
/// for, as llama.cpp's table of names lists them.
struct PreRule {
  std::vector<std::string_view> names;     ///< of tokenizer.ggml.pre
  std::string_view title;                  ///< for Tokenizer::kind()
  std::vector<std::string_view> patterns;  ///< one after the other, each isolating its matches
  bool single_digits = false;              ///< Digits in front of the patterns
  bool nfc = false;
  bool ignore_merges = false;
  bool add_bos = false;                    ///< unless tokenizer.ggml.add_bos_token says otherwise
};

/// The rule of a file. Without a name (or with "default") that of the architecture where there is only one, otherwise
/// llama.cpp's default; both add a line to `warnings`. Errors: kUnsupported listing the names that are handled.
[[nodiscard]] Result<const PreRule*> pre_rule(const io::Gguf& gguf, std::vector<std::string>& warnings);

/// The type of each of the file's tokens: those of tokenizer.ggml.token_type, but that tokens which end a turn or
/// mark a
/// role are control tokens whatever the file says (as in llama.cpp, with a warning), and without such an array the
/// unknown token, byte tokens and those named by id are told by name.
/// Errors: kInvalidFormat for an array of another length or type.
[[nodiscard]] Result<std::vector<std::int64_t>> token_types(const io::Gguf& gguf,
                                                            const std::vector<std::string_view>& tokens,
                                                            std::vector<std::string>& warnings);

/// The id under "tokenizer.ggml.{name}_token_id"; SentencePiece models without the key have llama.cpp's usual ones.
[[nodiscard]] Result<std::optional<std::uint64_t>> special_id(const io::Gguf& gguf, const std::string& name);

}  // namespace lieq::text
