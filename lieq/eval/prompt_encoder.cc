#include "lieq/eval/prompt_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "lieq/base/json.h"
#include "lieq/eval/python_text.h"

namespace lieq::eval {
namespace {

using model::TokenId;
using text::SpecialTokens;

/// The id of a special token: {"bos_token": "<s>"} or {"bos_token": {"content": "<s>"}}.
Result<std::optional<TokenId>> named_token(const Json& config, const std::string& place, std::string_view key,
                                           const text::Tokenizer& tokenizer) {
  const Json* value = Fields(config, place).find(key);
  if (value && value->is_object()) value = Fields(*value, place).find("content");
  if (!value) return std::optional<TokenId>();
  if (!value->is_string())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected a string", place, key, brief(*value)));
  return tokenizer.id_of(value->get_ref<const std::string&>());
}

Result<std::optional<TokenId>> find_prefix(const Bundle& bundle) {
  const std::filesystem::path file = bundle.model.path / "tokenizer_config.json";
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    LIEQ_ASSIGN(const Json config, read_json(file));
    for (const char* key : {"bos_token", "eos_token"}) {
      LIEQ_ASSIGN(const auto id, named_token(config, file.string(), key, bundle.tokenizer));
      if (id) return id;
    }
    return std::optional<TokenId>();
  }
  const model::ModelConfig& config = bundle.model.config;
  for (const auto& ids : {config.bos_token_id, config.eos_token_id})
    if (!ids.empty()) return std::optional<TokenId>(static_cast<TokenId>(ids.front()));
  return std::optional<TokenId>();
}

}  // namespace

Result<PromptEncoder> PromptEncoder::create(const Bundle& bundle, std::size_t max_length) {
  PromptEncoder encoder;
  encoder.bundle_ = &bundle;
  const std::size_t limit = bundle.model.config.max_position_embeddings;
  if (max_length > limit)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("window: found {}, expected at most max_position_embeddings = {} of {}", max_length, limit,
                            bundle.model.path.string()));
  encoder.max_length_ = max_length == 0 ? limit : max_length;
  LIEQ_ASSIGN(encoder.prefix_, find_prefix(bundle));
  if (encoder.prefix_) encoder.prefix_text_ = bundle.tokenizer.decode({&*encoder.prefix_, 1}, text::SpecialText::kKeep);
  return encoder;
}

std::vector<TokenId> PromptEncoder::encode(std::string_view text) const {
  const bool has_prefix = !prefix_text_.empty() && text.starts_with(prefix_text_);
  return bundle_->tokenizer.encode(text, has_prefix ? SpecialTokens::kNone : SpecialTokens::kAdd);
}

Result<ChoiceTokens> PromptEncoder::encode_choice(std::string_view context, std::string_view continuation,
                                                  const std::string& place) const {
  std::vector<TokenId> ids;
  std::size_t context_ids = 0;
  if (context.empty()) {
    ids = bundle_->tokenizer.encode(continuation, SpecialTokens::kNone);
    if (prefix_ && (ids.empty() || ids.front() != *prefix_)) ids.insert(ids.begin(), *prefix_);
    context_ids = 1;
  } else {
    ids = encode(std::string(context).append(continuation));
    context_ids = encode(python_rstrip(context)).size();
  }
  if (context_ids == 0 || ids.size() <= context_ids)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: found {} tokens of context and {} in all, expected some of both to score", place,
                            context_ids, ids.size()));
  // A tokenizer may have more ids than the embedding has rows.
  const std::size_t vocab = bundle_->model.config.vocab_size;
  for (const TokenId id : ids)
    if (static_cast<std::size_t>(id) >= vocab)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: found token id {}, expected below vocab_size = {} of {}", place, id, vocab,
                              bundle_->model.path.string()));
  const std::size_t targets = ids.size() - context_ids;
  if (targets > max_length_)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: found an answer of {} tokens, expected at most {}, the model's window", place, targets,
                            max_length_));
  const std::size_t dropped = ids.size() - std::min(ids.size(), max_length_ + 1);
  ChoiceTokens choice;
  choice.input.assign(ids.begin() + static_cast<std::ptrdiff_t>(dropped), ids.end() - 1);
  choice.targets.assign(ids.begin() + static_cast<std::ptrdiff_t>(context_ids), ids.end());
  return choice;
}

}  // namespace lieq::eval
