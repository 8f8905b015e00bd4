#include "lieq/text/gguf_pre.h"

#include <algorithm>
#include <optional>

#include "lieq/base/message.h"
#include "lieq/text/decode.h"
#include "lieq/text/pretokenize.h"

namespace lieq::text {
namespace {

constexpr std::string_view kGpt2Regex = kGpt2Pattern.regex, kLlama3Regex = kLlama3Pattern.regex, kQwen2Regex = kQwen2Pattern.regex;

#define LIEQ_CAPITALS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LIEQ_SMALL "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define LIEQ_FRONT "[^\\r\\n\\p{L}\\p{N}]?"
#define LIEQ_ENDING "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LIEQ_BLANKS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LIEQ_CASED(suffix) \
  LIEQ_FRONT LIEQ_CAPITALS "*" LIEQ_SMALL "+" suffix "|" LIEQ_FRONT LIEQ_CAPITALS "+" LIEQ_SMALL "*" suffix
#define LIEQ_SYMBOLS_AND_SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" LIEQ_BLANKS

constexpr std::string_view kTekken = LIEQ_CASED("") "|\\p{N}" LIEQ_SYMBOLS_AND_SLASH;
constexpr std::string_view kGpt4o = LIEQ_CASED(LIEQ_ENDING "?") "|\\p{N}{1,3}" LIEQ_SYMBOLS_AND_SLASH;
constexpr std::string_view kYoutu = LIEQ_CASED(LIEQ_ENDING "?") "|\\p{N}" LIEQ_SYMBOLS_AND_SLASH;
constexpr std::string_view kQwen35 = LIEQ_ENDING "|" LIEQ_FRONT
    "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LIEQ_BLANKS;
constexpr std::string_view kJais2 = LIEQ_ENDING "|" LIEQ_FRONT
    "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|"
    "\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}";
constexpr std::string_view kBailing =
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
    "\\s+(?!\\S)|\\s+";
constexpr std::string_view kSeedCoder = LIEQ_ENDING "|" LIEQ_FRONT
    "\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" LIEQ_BLANKS;
constexpr std::string_view kUfakzeka = LIEQ_FRONT "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" LIEQ_BLANKS;
constexpr std::string_view kExaoneMoe = LIEQ_ENDING "|" LIEQ_FRONT
    "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
constexpr std::string_view kMiniCpm5 = LIEQ_ENDING "|" LIEQ_FRONT
    "\\p{L}+|\\p{N}+| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" LIEQ_BLANKS;
constexpr std::string_view kDeepseek3 =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|" LIEQ_BLANKS;
constexpr std::string_view kSpark =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
    " ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+";
constexpr std::string_view kHanAndKana = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
constexpr std::string_view kYoutuScripts =
    "[\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F"
    "\uFE30-\uFE4F]+|[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
constexpr std::string_view kBloom = " ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+";
constexpr std::string_view kSymbols = "[\\p{P}\\$\\+<=>\\^~\\|]+", kSymbolsAndTick = "[\\p{P}\\$\\+<=>\\^~\\|`]+";

const std::vector<PreRule>& rules() {
  static const std::vector<PreRule> all = {
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "a.x-4.0", "mellum",
        "modern-bert", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4"},
       kGpt2Pattern.name, {kGpt2Regex}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
       kLlama3Pattern.name, {kLlama3Regex}, false, false, true, true},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, kLlama3Pattern.name, {kLlama3Regex}},
      {{"qwen2"}, kQwen2Pattern.name, {kQwen2Regex}, false, true},
      {{"deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"},
       kQwen2Pattern.name, {kQwen2Regex}},
      {{"qwen35"}, "Qwen3.5 pattern", {kQwen35}, false, true},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"},
       kGpt2Pattern.name, {kGpt2Regex}, true},
      {{"tekken"}, "Tekken pattern", {kTekken}, false, false, true, true},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, "GPT-4o pattern", {kGpt4o}},
      {{"tiny_aya", "cohere2moe"}, "Aya pattern", {"\\d{1,3}(?=(?:\\d{3})*\\b)", kGpt4o}},
      {{"falcon"}, "Falcon pattern", {kSymbolsAndTick, kGpt2Regex, "[0-9][0-9][0-9]"}},
      {{"deepseek-coder"},
       "DeepSeek Coder pattern",
       {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", "\\p{N}"}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"}, "DeepSeek 3 pattern",
       {"\\p{N}{1,3}", kHanAndKana, kDeepseek3}},
      {{"spark2_5"}, "Spark pattern", {"\\p{N}{1,3}", kHanAndKana, kSpark, "\\p{N}"}},
      {{"youtu"}, "Youtu pattern", {kYoutuScripts, kYoutu}, false, false, true},
      {{"bloom", "poro-chat", "gpt3-finnish"}, "Bloom pattern", {kBloom}},
      {{"viking"}, "Viking pattern", {kBloom, "\\p{N}"}},
      {{"jais-2"}, "Jais 2 pattern", {kJais2}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"}, "Bailing pattern", {kBailing}},
      {{"seed-coder"}, "Seed Coder pattern", {kSeedCoder}},
      {{"ufakzeka"}, "Ufakzeka pattern", {kUfakzeka}},
      {{"laguna"}, "Laguna pattern", {"[^\\n]+|[\\n]+", kQwen2Regex}},
      {{"exaone-moe"}, "EXAONE MoE pattern", {kExaoneMoe}},
      {{"minicpm5"}, "MiniCPM 5 pattern", {"\\p{N}{1,3}", kMiniCpm5}, false, false, true},
      {{"chameleon"},
       "Chameleon pattern",
       {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
        "[\\p{P}!-/:-@\\[-`{-~]", kGpt2Regex},
       false, false, false, true},
      {{"default"}, "llama.cpp's default pattern", {kSymbols, kGpt2Regex, "\\p{N}+", "[0-9][0-9][0-9]"}},
  };
  return all;
}

const PreRule* find_rule(std::string_view name) {
  for (const PreRule& rule : rules())
    if (std::ranges::find(rule.names, name) != rule.names.end()) return &rule;
  return nullptr;
}

/// Architectures all of whose published models have one pattern.
std::string_view rule_of_architecture(std::string_view architecture) {
  constexpr std::pair<std::string_view, std::string_view> kCertain[] = {
      {"qwen2", "qwen2"}, {"qwen3", "qwen2"}, {"smollm3", "llama-bpe"}, {"starcoder2", "starcoder"}};
  for (const auto& [name, rule] : kCertain)
    if (name == architecture) return rule;
  return {};
}

/// Tokens of chat formats that nobody means as text: what ends a turn, and what opens one and names its role.
bool is_chat_marker(std::string_view token) {
  constexpr std::string_view kMarkers[] = {
      "<|eot_id|>",
      "<|im_end|>",
      "<|end|>",
      "<|return|>",
      "<|call|>",
      "<|flush|>",
      "<|calls|>",
      "<end_of_turn>",
      "<|endoftext|>",
      "</s>",
      "<|eom_id|>",
      "<EOT>",
      "_<EOT>",
      "[EOT]",
      "[EOS]",
      "<|end_of_text|>",
      "<end_of_utterance>",
      "<eos>",
      "<turn|>",
      "<|tool_response>",
      "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
      "[e~[",
      // What opens turns.
      "<|im_start|>",
      "<|start_header_id|>",
      "<|end_header_id|>",
      "<|begin_of_text|>",
      "<start_of_turn>",
      "<s>",
      "<bos>",
      "<|user|>",
      "<|assistant|>",
      "<|system|>",
      "<|start_of_role|>",
      "<|end_of_role|>",
      "[INST]",
      "[/INST]",
      "<\uFF5Cbegin\u2581of\u2581sentence\uFF5C>",
      "<\uFF5CUser\uFF5C>",
      "<\uFF5CAssistant\uFF5C>",
      // What fills in the middle.
      "<|fim_prefix|>",
      "<|fim_suffix|>",
      "<|fim_middle|>",
      "<|fim_pad|>",
      "<|repo_name|>",
      "<|file_sep|>",
      "<fim_prefix>",
      "<fim_suffix>",
      "<fim_middle>",
      "<fim_pad>",
  };
  return std::find(std::begin(kMarkers), std::end(kMarkers), token) != std::end(kMarkers);
}

std::string place(const io::Gguf& gguf, std::string_view key) { return gguf.file + ": key " + in_quotes(key); }

/// The array of the file; empty where there is none.
Result<std::vector<std::int64_t>> stored_types(const io::Gguf& gguf) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  const io::GgufValue* value = gguf.find(kKey);
  std::vector<std::int64_t> out;
  if (value == nullptr) return out;
  if (const auto* wide = std::get_if<std::vector<std::int64_t>>(value)) return *wide;
  const auto* counts = std::get_if<std::vector<std::uint64_t>>(value);
  if (counts == nullptr) return fail(ErrorCode::kInvalidFormat, place(gguf, kKey) + ": expected an array of integers");
  for (const std::uint64_t one : *counts)
    out.push_back(static_cast<std::int64_t>(std::min<std::uint64_t>(one, 1U << 30)));
  return out;
}

/// What a converter would have written.
Result<std::vector<std::int64_t>> guessed_types(const io::Gguf& gguf, const std::vector<std::string_view>& tokens) {
  std::vector<std::int64_t> types(tokens.size(), kNormal);
  const auto mark = [&](const char* name, std::int64_t type) -> Result<void> {
    LIEQ_ASSIGN(const auto id, special_id(gguf, name));
    if (id && *id < types.size() && types[*id] == kNormal) types[*id] = type;
    return {};
  };
  if (gguf.find("tokenizer.ggml.model") &&
      *gguf.find("tokenizer.ggml.model") == io::GgufValue(std::string_view("llama")))
    for (std::size_t i = 0; i < tokens.size(); ++i)
      if (byte_token(tokens[i])) types[i] = kByte;
  for (const char* name : {"bos", "eos", "eot", "eom"}) LIEQ_TRY(mark(name, kControl));
  LIEQ_TRY(mark("unknown", kUnknown));
  return types;
}

}  // namespace

Result<const PreRule*> pre_rule(const io::Gguf& gguf, std::vector<std::string>& warnings) {
  constexpr std::string_view kKey = "tokenizer.ggml.pre";
  LIEQ_ASSIGN(const auto name, gguf.string(kKey));
  LIEQ_ASSIGN(const auto architecture, gguf.string("general.architecture"));
  if (!name || name->empty() || *name == "default") {
    const std::string found = place(gguf, kKey) + (name ? ": found " + in_quotes(*name) : std::string(": missing"));
    const std::string_view certain = rule_of_architecture(architecture.value_or(""));
    const PreRule* rule = find_rule(certain.empty() ? "default" : certain);
    warnings.push_back(certain.empty() ? found + ", so text is cut by " + std::string(rule->title) +
                                             ", which is not the one the model was trained with (convert it anew)"
                                       : found + ", taken as '" + std::string(certain) + "', which every " +
                                             std::string(*architecture) + " model has");
    return rule;
  }
  if (const PreRule* rule = find_rule(*name)) return rule;
  std::string known;
  for (const PreRule& rule : rules())
    for (const std::string_view one : rule.names) known.append(known.empty() ? "" : ", ").append(one);
  return fail(ErrorCode::kUnsupported, place(gguf, kKey) + ": " + in_quotes(*name) +
                                           " is not supported, expected one of " + known);
}

Result<std::vector<std::int64_t>> token_types(const io::Gguf& gguf, const std::vector<std::string_view>& tokens,
                                              std::vector<std::string>& warnings) {
  LIEQ_ASSIGN(auto types, stored_types(gguf));
  if (types.empty()) {
    LIEQ_ASSIGN(types, guessed_types(gguf, tokens));
  }
  if (types.size() != tokens.size())
    return fail(ErrorCode::kInvalidFormat, place(gguf, "tokenizer.ggml.token_type") + ": found " +
                                               std::to_string(types.size()) + " entries, expected " +
                                               std::to_string(tokens.size()) + " (one for each token)");
  std::string changed;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool added = types[i] == kControl || types[i] == kUserDefined || types[i] == kUnknown;
    if (added || !is_chat_marker(tokens[i])) continue;
    types[i] = kControl;
    changed += (changed.empty() ? "" : ", ") + in_quotes(tokens[i]);
  }
  if (!changed.empty())
    warnings.push_back(place(gguf, "tokenizer.ggml.token_type") + ": taken as control tokens, which the file does not "
                       "say: " + (changed.size() > 200 ? changed.substr(0, 200) + "..." : changed));
  return types;
}

Result<std::optional<std::uint64_t>> special_id(const io::Gguf& gguf, const std::string& name) {
  LIEQ_ASSIGN(const auto id, gguf.count("tokenizer.ggml." + name + "_token_id"));
  if (id) return id;
  LIEQ_ASSIGN(const auto model, gguf.string("tokenizer.ggml.model"));
  if (model != "llama") return std::nullopt;
  constexpr std::pair<std::string_view, std::uint64_t> kUsual[] = {{"unknown", 0}, {"bos", 1}, {"eos", 2}};
  for (const auto& [usual, number] : kUsual)
    if (usual == name) return number;
  return std::nullopt;
}

}  // namespace lieq::text
