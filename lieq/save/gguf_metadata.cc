#include "lieq/save/gguf_metadata.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/save/gguf_features.h"
#include "lieq/text/json_to_gguf.h"
#include "lieq/text/tokenizer.h"

namespace lieq::save {
namespace {

using model::RopeType;

std::string_view gguf_name(const model::ModelConfig& config) {
  return model::architecture_of(config.architecture).gguf_name;
}

/// "135M", "1.5B"
std::string size_label(std::size_t parameters) {
  const auto count = static_cast<double>(parameters);
  if (count >= 1e9) return fmt::format("{:.1f}B", count / 1e9);
  return count >= 1e6 ? fmt::format("{:.0f}M", count / 1e6) : fmt::format("{:.0f}K", count / 1e3);
}

std::string model_name(const model::Model& model) {
  const std::filesystem::path path = model.path.has_filename() ? model.path : model.path.parent_path();
  return path.filename().string();
}

/// The keys of the types that GGUF knows; the divisors of llama3 and the factors of longrope are tensors.
void add_rope_scaling(const model::ModelConfig& c, GgufFields& fields) {
  const model::RopeConfig& rope = c.rope;
  const auto number = [&](std::string_view name, double value) {
    fields.add(fmt::format("{}.rope.scaling.{}", gguf_name(c), name), static_cast<float>(value));
  };
  const auto original_context = [&] {
    fields.add(fmt::format("{}.rope.scaling.original_context_length", gguf_name(c)),
               static_cast<std::uint32_t>(rope.original_max_position_embeddings));
  };
  if (rope.type == RopeType::kLinear || rope.type == RopeType::kYarn) {
    fields.add(fmt::format("{}.rope.scaling.type", gguf_name(c)), model::name(rope.type));
    number("factor", rope.factor);
  }
  if (rope.type == RopeType::kYarn) {
    original_context();
    number("yarn_beta_fast", rope.beta_fast);
    number("yarn_beta_slow", rope.beta_slow);
    number("attn_factor", rope.attention_factor / (rope.factor <= 1 ? 1 : 0.1 * std::log(rope.factor) + 1));
  }
  if (rope.type == RopeType::kLongRope) {
    original_context();
    number("attn_factor", rope.attention_factor);
  }
}

void add_architecture(const model::ModelConfig& c, GgufFields& fields) {
  const auto count = [&](std::string_view name, std::size_t value) {
    fields.add(fmt::format("{}.{}", gguf_name(c), name), narrow<std::uint32_t>(value));
  };
  const auto number = [&](std::string_view name, double value) {
    fields.add(fmt::format("{}.{}", gguf_name(c), name), static_cast<float>(value));
  };
  count("block_count", c.num_hidden_layers);
  count("context_length", c.max_position_embeddings);
  count("embedding_length", c.hidden_size);
  count("feed_forward_length", c.intermediate_size);
  count("attention.head_count", c.num_attention_heads);
  count("attention.head_count_kv", c.num_key_value_heads);
  count("attention.key_length", c.head_dim);
  count("attention.value_length", c.head_dim);
  number("attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  number("rope.freq_base", c.rope.theta);
  count("rope.dimension_count", c.rotated());
  count("vocab_size", c.vocab_size);
  add_rope_scaling(c, fields);
}

/// An id that also ends an answer, beside the tokenizer's own.
std::optional<std::uint32_t> end_of_turn(const model::ModelConfig& config, const text::GgufTokenizer& tokenizer) {
  for (const std::uint64_t id : config.eos_token_id)
    if (id < config.vocab_size && id != tokenizer.eos_token_id) return static_cast<std::uint32_t>(id);
  return std::nullopt;
}

void add_tokenizer(const model::ModelConfig& config, text::GgufTokenizer tokenizer, GgufFields& fields) {
  // A tokenizer_config.json need not name what config.json gives ids of.
  if (!tokenizer.bos_token_id && !config.bos_token_id.empty() && config.bos_token_id[0] < config.vocab_size)
    tokenizer.bos_token_id = static_cast<std::uint32_t>(config.bos_token_id[0]);
  if (!tokenizer.eos_token_id && !config.eos_token_id.empty() && config.eos_token_id[0] < config.vocab_size)
    tokenizer.eos_token_id = static_cast<std::uint32_t>(config.eos_token_id[0]);
  fields.add("tokenizer.ggml.model", tokenizer.model);
  fields.add("tokenizer.ggml.pre", tokenizer.pre);
  fields.add("tokenizer.ggml.tokens", tokenizer.tokens);
  if (!tokenizer.scores.empty()) fields.add("tokenizer.ggml.scores", tokenizer.scores);
  fields.add("tokenizer.ggml.token_type", tokenizer.token_type);
  if (!tokenizer.merges.empty()) fields.add("tokenizer.ggml.merges", tokenizer.merges);
  for (const auto& [name, id] : {std::pair{"bos", tokenizer.bos_token_id},
                                 {"eos", tokenizer.eos_token_id},
                                 {"unknown", tokenizer.unknown_token_id},
                                 {"padding", tokenizer.padding_token_id},
                                 {"eot", end_of_turn(config, tokenizer)}})
    if (id) fields.add(fmt::format("tokenizer.ggml.{}_token_id", name), *id);
  fields.add("tokenizer.ggml.add_bos_token", tokenizer.add_bos_token);
  fields.add("tokenizer.ggml.add_eos_token", tokenizer.add_eos_token);
  if (tokenizer.add_space_prefix) fields.add("tokenizer.ggml.add_space_prefix", *tokenizer.add_space_prefix);
  if (!tokenizer.chat_template.empty()) fields.add("tokenizer.chat_template", tokenizer.chat_template);
}

/// Reads the tokenizer back from the bytes of the metadata and encodes text made of all tokens with both.
Result<void> prove_tokenizer(const model::Model& model, const GgufFields& fields) {
  std::string head = "GGUF";
  const auto append = [&head](auto value) { head.append(reinterpret_cast<const char*>(&value), sizeof value); };
  append(std::uint32_t{3});
  append(std::uint64_t{0});
  append(std::uint64_t{fields.size()});
  head += fields.bytes();
  LIEQ_ASSIGN(const io::Gguf gguf, io::parse_gguf(std::as_bytes(std::span(head)), model.path.string()));
  LIEQ_ASSIGN(const text::Tokenizer made, text::Tokenizer::from_gguf(gguf));
  LIEQ_ASSIGN(const text::Tokenizer source, text::Tokenizer::load(model.path));
  constexpr std::size_t kIds = 4096;
  for (std::size_t first = 0; first < source.vocab_size(); first += kIds) {
    std::vector<text::TokenId> ids;
    for (std::size_t i = first; i < std::min(first + kIds, source.vocab_size()); ++i)
      ids.push_back(static_cast<text::TokenId>(i));
    const std::string text = source.decode(ids, text::SpecialText::kKeep);
    if (made.encode(text, text::SpecialTokens::kAdd) != source.encode(text, text::SpecialTokens::kAdd))
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{}: found a tokenizer ({}) whose ids differ as a GGUF tokenizer on the text of ids {} "
                              "to {}, expected the same",
                              model.path.string(), source.kind(), first, first + ids.size() - 1));
  }
  return {};
}

}  // namespace

std::uint32_t file_type(DType usual) {
  switch (usual) {
    case DType::kF32: return 0;
    case DType::kF16: return 1;
    case DType::kQ4_0: return 2;
    case DType::kQ4_1: return 3;
    case DType::kQ8_0: return 7;
    case DType::kQ5_0: return 8;
    case DType::kQ5_1: return 9;
    case DType::kQ2_K: return 10;
    case DType::kQ3_K: return 12;
    case DType::kQ4_K: return 15;
    case DType::kQ5_K: return 17;
    case DType::kQ6_K: return 18;
    case DType::kBF16: return 32;
    case DType::kQ2_0: return 41;
    default: LIEQ_CHECK(false);
  }
}

Result<GgufFields> gguf_metadata(const model::Model& model, DType usual, const std::string& tool) {
  GgufFields fields;
  if (model.format == "GGUF") {
    LIEQ_ASSIGN(const io::Gguf gguf, io::open_gguf(model.path));
    for (const io::GgufKey& key : gguf.keys)
      if (!key.name.starts_with("split.")) fields.add(key);
    fields.remove("general.alignment");
    return fields;
  }
  fields.add("general.architecture", gguf_name(model.config));
  fields.add("general.type", "model");
  fields.add("general.name", model_name(model));
  fields.add("general.size_label", size_label(parameter_count(model)));
  fields.add("general.quantization_version", std::uint32_t{2});
  fields.add("general.file_type", file_type(usual));
  if (!tool.empty()) fields.add("general.quantized_by", tool);
  add_architecture(model.config, fields);
  LIEQ_TRY(add_features(model, fields));
  LIEQ_ASSIGN(text::GgufTokenizer tokenizer, text::gguf_tokenizer_of(model.path, model.config.vocab_size));
  add_tokenizer(model.config, std::move(tokenizer), fields);
  LIEQ_TRY(prove_tokenizer(model, fields));
  return fields;
}

std::vector<float> rope_divisors(const model::ModelConfig& config) {
  if (config.rope.type != RopeType::kLlama3) return config.rope.divisors;
  model::RopeConfig plain = config.rope;
  plain.type = RopeType::kDefault;
  plain.divisors.clear();
  const std::vector<float> unscaled = model::inverse_frequencies(plain, config.rotated());
  const std::vector<float> scaled = model::inverse_frequencies(config.rope, config.rotated());
  std::vector<float> divisors;
  for (std::size_t j = 0; j < scaled.size(); ++j)
    divisors.push_back(static_cast<float>(static_cast<double>(unscaled[j]) / static_cast<double>(scaled[j])));
  return divisors;
}

bool is_interleaved(const model::ModelConfig& config, const model::TensorSpec& spec) {
  const bool projects = spec.role == model::Role::kLinear || spec.role == model::Role::kBias;
  return projects && model::architecture_of(config.architecture).gguf_interleaves_rope && spec.linears.size() == 1 &&
         (spec.linears.front() == model::LinearKind::kQ || spec.linears.front() == model::LinearKind::kK);
}

std::size_t logical_row(std::size_t stored, std::size_t head_dim) {
  const std::size_t within = stored % head_dim;
  return stored - within + within / 2 + (within % 2) * (head_dim / 2);
}

}  // namespace lieq::save
