#include "lieq/text/gguf_to_json.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <variant>

#include "lieq/base/json.h"
#include "lieq/base/message.h"
#include "lieq/base/utf8.h"
#include "lieq/text/gguf_pre.h"
#include "lieq/text/pretokenize.h"

namespace lieq::text {
namespace {

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json split(std::string_view pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

/// The steps of a rule; GPT-2's pattern at the end is ByteLevel's own.
Json pre_tokenizer(const PreRule& rule) {
  Json steps = Json::array();
  if (rule.single_digits) steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  const bool own = rule.patterns.back() == kGpt2Pattern.regex;
  for (std::size_t i = 0; i + (own ? 1 : 0) < rule.patterns.size(); ++i) steps.push_back(split(rule.patterns[i]));
  steps.push_back(byte_level(own));
  return steps.size() == 1 ? steps.front() : Json{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

/// What the token list of a GGUF file says.
struct Tokens {
  const std::vector<std::string_view>* texts = nullptr;
  std::vector<std::int64_t> types;

  [[nodiscard]] std::size_t size() const { return texts->size(); }
  [[nodiscard]] std::string text(std::uint64_t id) const { return id < size() ? std::string((*texts)[id]) : ""; }
};

/// The parts of a tokenizer.json that depend on the kind of tokenizer.
struct Parts {
  Json normalizer, pre_tokenizer, decoder, model;
  bool adds_bos = false;  ///< unless tokenizer.ggml.add_bos_token says otherwise
};

Json bpe_model(const Tokens& tokens) {
  Json vocab = Json::object();
  for (std::size_t id = 0; id < tokens.size(); ++id)
    if (tokens.types[id] != kUnused) vocab[tokens.text(id)] = id;
  return {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr}, {"fuse_unk", false}, {"byte_fallback", false}, {"ignore_merges", false},
          {"vocab", std::move(vocab)}, {"merges", Json::array()}};
}

Result<Parts> byte_level_parts(const io::Gguf& gguf, const Tokens& tokens) {
  std::vector<std::string> told;  // when the tokenizer was loaded
  LIEQ_ASSIGN(const PreRule* rule, pre_rule(gguf, told));
  Parts parts;
  parts.decoder = byte_level(true);
  parts.model = bpe_model(tokens);
  parts.pre_tokenizer = pre_tokenizer(*rule);
  parts.model["ignore_merges"] = rule->ignore_merges;
  parts.adds_bos = rule->add_bos;
  if (rule->nfc) parts.normalizer = {{"type", "NFC"}};
  LIEQ_ASSIGN(const auto* merges, gguf.strings("tokenizer.ggml.merges"));
  if (!merges)
    return fail(ErrorCode::kInvalidFormat, gguf.file + ": key 'tokenizer.ggml.merges': missing, expected a list");
  for (const std::string_view merge : *merges) parts.model["merges"].push_back(std::string(merge));
  return parts;
}

/// Two tokens that become one, and what decides when.
struct Merge {
  std::string_view left, right;
  double score = 0;                ///< of the product
  std::size_t left_characters = 0;
};

/// Every way to cut a token in two tokens, best score first; among equal scores the longer left half first, then by
/// the product's and the left half's id: the order that conversion from SentencePiece gives in Hugging Face's files.
std::vector<Merge> merges_by_score(const Tokens& tokens, const std::vector<double>& scores) {
  std::unordered_map<std::string_view, std::size_t> id_of;
  const auto merges = [&](std::size_t id) { return tokens.types[id] == kNormal || tokens.types[id] == kUserDefined; };
  for (std::size_t id = 0; id < tokens.size(); ++id)
    if (merges(id)) id_of.emplace((*tokens.texts)[id], id);
  std::vector<Merge> all;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view text = (*tokens.texts)[id];
    if (!merges(id) || text.empty()) continue;
    std::size_t characters = 1;
    for (std::size_t at = decode_utf8(text, 0).bytes; at < text.size();
         at += decode_utf8(text, at).bytes, ++characters) {
      const std::string_view left = text.substr(0, at), right = text.substr(at);
      if (id_of.contains(left) && id_of.contains(right)) all.push_back({left, right, scores[id], characters});
    }
  }
  std::ranges::stable_sort(all, [](const Merge& a, const Merge& b) {
    return a.score != b.score ? a.score > b.score : a.left_characters > b.left_characters;
  });
  return all;
}

Result<Parts> sentence_piece_parts(const io::Gguf& gguf, const Tokens& tokens) {
  const std::string key = gguf.file + ": key 'tokenizer.ggml.scores': ";
  const io::GgufValue* value = gguf.find("tokenizer.ggml.scores");
  const auto* scores = value ? std::get_if<std::vector<double>>(value) : nullptr;
  if (!scores || scores->size() != tokens.size())
    return fail(ErrorCode::kInvalidFormat, key + "found " + (scores ? std::to_string(scores->size()) : "no") +
                                               " numbers, expected " + std::to_string(tokens.size()));
  Parts parts;
  parts.model = bpe_model(tokens);
  parts.model["fuse_unk"] = parts.model["byte_fallback"] = true;
  const auto unknown = std::ranges::find(tokens.types, kUnknown);
  if (unknown != tokens.types.end())
    parts.model["unk_token"] = tokens.text(static_cast<std::uint64_t>(unknown - tokens.types.begin()));
  for (const Merge& merge : merges_by_score(tokens, *scores))
    parts.model["merges"].push_back({std::string(merge.left), std::string(merge.right)});

  constexpr const char* kBlank = "\u2581";
  LIEQ_ASSIGN(const auto prefix, gguf.boolean("tokenizer.ggml.add_space_prefix"));
  const auto replace = [](const char* from, const char* to) {
    return Json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  Json normalizers = Json::array(), decoders = {replace(kBlank, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (prefix.value_or(true)) {
    normalizers.push_back({{"type", "Prepend"}, {"prepend", kBlank}});
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  normalizers.push_back(replace(" ", kBlank));
  parts.normalizer = {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}};
  parts.decoder = {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
  parts.adds_bos = true;
  return parts;
}

/// A token that every text gets.
struct Around {
  std::string token;
  std::uint64_t id = 0;
};

/// What add_bos_token and add_eos_token ask for; null for neither.
Json around_text(const std::optional<Around>& bos, const std::optional<Around>& eos) {
  if (!bos && !eos) return nullptr;
  Json single = Json::array(), pair = Json::array(), special = Json::object();
  const auto add_token = [&](Json& target, const std::optional<Around>& one, int type) {
    if (!one) return;
    target.push_back({{"SpecialToken", {{"id", one->token}, {"type_id", type}}}});
    special[one->token] = {{"id", one->token}, {"ids", {one->id}}, {"tokens", {one->token}}};
  };
  const auto add_text = [&](Json& target, const char* name, int type) {
    add_token(target, bos, type);
    target.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    add_token(target, eos, type);
  };
  add_text(single, "A", 0);
  add_text(pair, "A", 0);
  add_text(pair, "B", 1);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

Json added_tokens(const Tokens& tokens) {
  Json added = Json::array();
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const bool special = tokens.types[id] == kControl || tokens.types[id] == kUnknown;
    if (!special && tokens.types[id] != kUserDefined) continue;
    added.push_back({{"id", id}, {"content", tokens.text(id)}, {"single_word", false}, {"lstrip", false},
                     {"rstrip", false}, {"normalized", false}, {"special", special}});
  }
  return added;
}

}  // namespace

Result<TokenizerFiles> tokenizer_files_from_gguf(const io::Gguf& gguf) {
  Tokens tokens;
  LIEQ_ASSIGN(tokens.texts, gguf.strings("tokenizer.ggml.tokens"));
  if (!tokens.texts)
    return fail(ErrorCode::kInvalidFormat, gguf.file + ": key 'tokenizer.ggml.tokens': missing, expected a list");
  std::vector<std::string> told;  // when the tokenizer was loaded
  LIEQ_ASSIGN(tokens.types, token_types(gguf, *tokens.texts, told));
  LIEQ_ASSIGN(const auto model, gguf.string("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama")
    return fail(ErrorCode::kUnsupported, gguf.file + ": key 'tokenizer.ggml.model': found " +
                                             in_quotes(model.value_or("nothing")) +
                                             ", expected gpt2 or llama to write a tokenizer.json");
  LIEQ_ASSIGN(const Parts parts, model == "gpt2" ? byte_level_parts(gguf, tokens) : sentence_piece_parts(gguf, tokens));

  const auto around = [&](std::string_view flag, const std::optional<std::uint64_t>& id,
                          bool fallback) -> Result<std::optional<Around>> {
    LIEQ_ASSIGN(const auto wanted, gguf.boolean(flag));
    if (!wanted.value_or(fallback) || !id || *id >= tokens.size()) return std::nullopt;
    return Around{tokens.text(*id), *id};
  };
  LIEQ_ASSIGN(const auto bos_id, special_id(gguf, "bos"));
  LIEQ_ASSIGN(const auto eos_id, special_id(gguf, "eos"));
  LIEQ_ASSIGN(const auto before, around("tokenizer.ggml.add_bos_token", bos_id, parts.adds_bos));
  LIEQ_ASSIGN(const auto after, around("tokenizer.ggml.add_eos_token", eos_id, false));
  const Json tokenizer = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr},
                          {"added_tokens", added_tokens(tokens)}, {"normalizer", parts.normalizer},
                          {"pre_tokenizer", parts.pre_tokenizer}, {"post_processor", around_text(before, after)},
                          {"decoder", parts.decoder}, {"model", parts.model}};
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (bos_id) config["bos_token"] = tokens.text(*bos_id);
  if (eos_id) config["eos_token"] = tokens.text(*eos_id);
  if (const Json& unknown = parts.model["unk_token"]; !unknown.is_null()) config["unk_token"] = unknown;
  LIEQ_ASSIGN(const auto chat_template, gguf.string("tokenizer.chat_template"));
  if (chat_template) config["chat_template"] = std::string(*chat_template);
  const auto text = [](const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; };
  return TokenizerFiles{text(tokenizer), text(config)};
}

}  // namespace lieq::text
