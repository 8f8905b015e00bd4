#include "lieq/text/folder_tokens.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "lieq/base/json.h"
#include "lieq/base/message.h"
#include "lieq/text/json_parts.h"

namespace lieq::text {
namespace {

namespace fs = std::filesystem;

/// The object in a file, an empty one where the file is missing.
Result<Json> read_object(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return Json::object();
  LIEQ_ASSIGN(Json json, read_json(file));
  if (!json.is_object())
    return fail(ErrorCode::kInvalidFormat, file.string() + ": found " + brief(json) + ", expected an object");
  return json;
}

Unexpected bad_id(const std::string& place, const std::string& found) {
  return fail(ErrorCode::kInvalidFormat, place + ": found " + found + ", expected an id from 0 to " +
                                             std::to_string(Vocabulary::kMaxId));
}

/// {"151644": {"content": "<|im_start|>", ...}, ...}
Result<void> read_decoder(const Json& decoder, const std::string& place, std::vector<FolderToken>& out) {
  if (!decoder.is_object())
    return fail(ErrorCode::kInvalidFormat, place + ": found " + brief(decoder) + ", expected an object");
  std::map<std::int64_t, FolderToken> by_id;
  for (const auto& [key, value] : decoder.items()) {
    std::int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc{} || end != key.data() + key.size() || id < 0 || id > Vocabulary::kMaxId)
      return bad_id(place, in_quotes(key));
    LIEQ_ASSIGN(AddedToken token, read_added_token(value, place + "[" + in_quotes(key) + "]"));
    by_id[id] = {std::move(token), id};
  }
  for (auto& [_, token] : by_id) out.push_back(std::move(token));
  return {};
}

/// {"<|im_start|>": 151644, ...}
Result<void> read_added_file(const Json& file, const std::string& place, std::vector<FolderToken>& out) {
  std::map<std::int64_t, FolderToken> by_id;
  for (const auto& [content, value] : file.items()) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(Vocabulary::kMaxId))
      return bad_id(place + ": token " + in_quotes(content), brief(value));
    AddedToken token;
    token.content = content;
    token.normalized = true;
    const auto id = value.get<std::int64_t>();
    if (!content.empty()) by_id[id] = {std::move(token), id};
  }
  for (auto& [_, token] : by_id) out.push_back(std::move(token));
  return {};
}

/// A text, or an object with flags; other values name no token.
Result<void> read_special(const Json& value, const std::string& place, std::vector<FolderToken>& out) {
  AddedToken token;
  if (value.is_object() && value.contains("content")) {
    LIEQ_ASSIGN(token, read_added_token(value, place));
    if (!value.contains("normalized")) token.normalized = false;
  } else if (value.is_string() && !value.get<std::string>().empty()) {
    token.content = value.get<std::string>();
  } else {
    return {};
  }
  token.special = true;
  out.push_back({std::move(token), std::nullopt});
  return {};
}

Result<void> read_specials(const Json& config, const std::string& file, std::vector<FolderToken>& out) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    if (const auto found = config.find(key); found != config.end())
      LIEQ_TRY(read_special(*found, file + ": " + key, out));
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_structured()) continue;
    for (const Json& one : *found) LIEQ_TRY(read_special(one, file + ": " + key, out));
  }
  return {};
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kMost ? text + " and " + std::to_string(names.size() - kMost) + " more" : text;
}

}  // namespace

Result<std::vector<FolderToken>> read_folder_tokens(const fs::path& folder) {
  const fs::path config_file = folder / "tokenizer_config.json", added_file = folder / "added_tokens.json",
                 map_file = folder / "special_tokens_map.json";
  LIEQ_ASSIGN(const Json config, read_object(config_file));
  std::vector<FolderToken> tokens;
  const auto decoder = config.find("added_tokens_decoder");
  const bool has_decoder = decoder != config.end() && !decoder->is_null();
  if (has_decoder) {
    LIEQ_TRY(read_decoder(*decoder, config_file.string() + ": added_tokens_decoder", tokens));
  } else {
    LIEQ_ASSIGN(const Json added, read_object(added_file));
    LIEQ_TRY(read_added_file(added, added_file.string(), tokens));
  }
  LIEQ_TRY(read_specials(config, config_file.string(), tokens));
  if (!has_decoder) {
    LIEQ_ASSIGN(const Json map, read_object(map_file));
    LIEQ_TRY(read_specials(map, map_file.string(), tokens));
  }
  return tokens;
}

std::vector<std::string> add_folder_tokens(const std::vector<FolderToken>& more, std::size_t model_size,
                                           const std::function<std::optional<TokenId>(const std::string&)>& id_in_model,
                                           const std::string& place, std::vector<AddedToken>& added) {
  auto next = static_cast<TokenId>(model_size);
  for (const AddedToken& token : added) next = std::max(next, token.id + 1);
  std::vector<std::string> fresh, moved;
  for (const FolderToken& one : more) {
    const auto there = std::ranges::find(added, one.token.content, &AddedToken::content);
    if (there != added.end()) {
      const TokenId id = there->id;
      if (one.claimed) *there = one.token;
      there->id = id;
      continue;
    }
    AddedToken token = one.token;
    if (const auto id = id_in_model(token.content)) {
      token.id = *id;
    } else {
      token.id = next++;
      fresh.push_back(in_quotes(token.content));
    }
    if (one.claimed && *one.claimed != token.id)
      moved.push_back(in_quotes(token.content) + " (" + std::to_string(*one.claimed) + ", now " +
                      std::to_string(token.id) + ")");
    added.push_back(std::move(token));
  }
  std::vector<std::string> warnings;
  if (!fresh.empty())
    warnings.push_back(place + ": tokens that only the files beside it name are added: " + listed(fresh));
  if (!moved.empty())
    warnings.push_back(place + ": added tokens have other ids than the files claim, as in transformers: " +
                       listed(moved));
  return warnings;
}

}  // namespace lieq::text
