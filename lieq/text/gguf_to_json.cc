#include "lieq/text/gguf_to_json.h"

#include <variant>

#include "lieq/base/json.h"

namespace lieq::text {
namespace {

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json sequence(Json first, Json second) {
  return {{"type", "Sequence"}, {"pretokenizers", {std::move(first), std::move(second)}}};
}

Json split(const char* pattern) {
  return sequence({{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
                  byte_level(false));
}

struct Kind {
  Json pre_tokenizer, normalizer;
  bool ignore_merges = false, adds_bos = false;
};

Result<Kind> kind_of(std::string_view pre, const std::string& file) {
  if (pre == "smollm" || pre == "starcoder")
    return Kind{sequence({{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)), nullptr};
  if (pre == "gpt-2" || pre == "default" || pre == "phi-2") return Kind{byte_level(true), nullptr};
  if (pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3") return Kind{split(kLlama3), nullptr, true, true};
  if (pre == "qwen2") return Kind{split(kQwen2), {{"type", "NFC"}}};
  return fail(ErrorCode::kUnsupported, file + ": key 'tokenizer.ggml.pre': found '" + std::string(pre) +
                                           "', expected one of smollm, gpt-2, llama-bpe, qwen2 to write a tokenizer.json");
}

/// The types of tokens, in the widened form the reader chose.
std::vector<std::int64_t> token_types(const io::Gguf& gguf, std::size_t count) {
  std::vector<std::int64_t> types(count, 1);
  const io::GgufValue* value = gguf.find("tokenizer.ggml.token_type");
  if (!value) return types;
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(value)) types = *list;
  if (const auto* list = std::get_if<std::vector<std::uint64_t>>(value)) types.assign(list->begin(), list->end());
  types.resize(count, 1);
  return types;
}

/// Puts `token` in front of every text, as add_bos_token asks for.
Json bos_template(const std::string& token, std::uint64_t id) {
  const Json bos = {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  const auto text = [](const char* name, int type) { return Json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  return {{"type", "TemplateProcessing"},
          {"single", {bos, text("A", 0)}},
          {"pair", {bos, text("A", 0), bos, text("B", 1)}},
          {"special_tokens", {{token, {{"id", token}, {"ids", {id}}, {"tokens", {token}}}}}}};
}

}  // namespace

Result<TokenizerFiles> tokenizer_files_from_gguf(const io::Gguf& gguf) {
  LIEQ_ASSIGN(const auto model, gguf.string("tokenizer.ggml.model"));
  if (model != "gpt2")
    return fail(ErrorCode::kUnsupported, gguf.file + ": key 'tokenizer.ggml.model': found '" + std::string(model.value_or("nothing")) +
                                             "', expected 'gpt2' to write a tokenizer.json; give the Hugging Face folder of this model");
  LIEQ_ASSIGN(const auto pre, gguf.string("tokenizer.ggml.pre"));
  LIEQ_ASSIGN(const Kind kind, kind_of(pre.value_or("default"), gguf.file));
  LIEQ_ASSIGN(const auto* tokens, gguf.strings("tokenizer.ggml.tokens"));
  LIEQ_ASSIGN(const auto* merges, gguf.strings("tokenizer.ggml.merges"));
  if (!tokens || !merges)
    return fail(ErrorCode::kInvalidFormat, gguf.file + ": keys 'tokenizer.ggml.tokens' and 'tokenizer.ggml.merges': missing, expected lists");

  constexpr std::int64_t kControl = 3, kUserDefined = 4, kUnused = 5;
  const std::vector<std::int64_t> types = token_types(gguf, tokens->size());
  Json added = Json::array(), vocab = Json::object(), rules = Json::array();
  for (std::size_t id = 0; id < tokens->size(); ++id) {
    if (types[id] == kUnused) continue;
    const std::string token((*tokens)[id]);
    vocab[token] = id;
    if (types[id] == kControl || types[id] == kUserDefined)
      added.push_back({{"id", id}, {"content", token}, {"single_word", false}, {"lstrip", false}, {"rstrip", false},
                       {"normalized", false}, {"special", types[id] == kControl}});
  }
  for (const std::string_view merge : *merges) rules.push_back(std::string(merge));

  LIEQ_ASSIGN(const auto bos_id, gguf.count("tokenizer.ggml.bos_token_id"));
  LIEQ_ASSIGN(const auto eos_id, gguf.count("tokenizer.ggml.eos_token_id"));
  LIEQ_ASSIGN(const auto add_bos, gguf.boolean("tokenizer.ggml.add_bos_token"));
  const auto token_of = [&](std::uint64_t id) { return id < tokens->size() ? std::string((*tokens)[id]) : std::string(); };
  Json post_processor = nullptr;
  if (add_bos.value_or(kind.adds_bos) && bos_id && *bos_id < tokens->size()) post_processor = bos_template(token_of(*bos_id), *bos_id);

  const Json tokenizer = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added},
                          {"normalizer", kind.normalizer}, {"pre_tokenizer", kind.pre_tokenizer},
                          {"post_processor", post_processor}, {"decoder", byte_level(true)},
                          {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", nullptr},
                                     {"end_of_word_suffix", nullptr}, {"fuse_unk", false}, {"byte_fallback", false},
                                     {"ignore_merges", kind.ignore_merges}, {"vocab", vocab}, {"merges", rules}}}};
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  if (bos_id) config["bos_token"] = token_of(*bos_id);
  if (eos_id) config["eos_token"] = token_of(*eos_id);
  LIEQ_ASSIGN(const auto chat_template, gguf.string("tokenizer.chat_template"));
  if (chat_template) config["chat_template"] = std::string(*chat_template);
  const auto text = [](const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; };
  return TokenizerFiles{text(tokenizer), text(config)};
}

}  // namespace lieq::text
