#pragma once
/// Tokens that stand beside tokenizer.json: fine-tuning adds chat tokens that only tokenizer_config.json or
/// added_tokens.json names.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/text/added_tokens.h"

namespace lieq::text {

/// A token and the id the file claims for it; without one it only names a token that is special.
struct FolderToken {
  AddedToken token;  ///< its id is not set
  std::optional<std::int64_t> claimed;
};

/// In the order in which transformers adds them: `added_tokens_decoder` of tokenizer_config.json by id, or where that
/// is
/// missing added_tokens.json by id; then the special tokens of tokenizer_config.json (without a decoder also those of
/// special_tokens_map.json). Errors: kIo, kInvalidFormat naming file and field.
[[nodiscard]] Result<std::vector<FolderToken>> read_folder_tokens(const std::filesystem::path& folder);

/// Adds them to those of tokenizer.json as the reference does. A token that is there already takes over the flags of
/// added_tokens_decoder, one of the model's vocabulary becomes an added token, others get the next free id, which need
/// not be the claimed one. id_in_model: of a text, in model.vocab. model_size: entries of model.vocab.
/// Returns warnings: a line for all tokens that are new, and one for claims that were not met.
[[nodiscard]] std::vector<std::string> add_folder_tokens(
    const std::vector<FolderToken>& more, std::size_t model_size,
    const std::function<std::optional<TokenId>(const std::string&)>& id_in_model, const std::string& place,
    std::vector<AddedToken>& added);

}  // namespace lieq::text
