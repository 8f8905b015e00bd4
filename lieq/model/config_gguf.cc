/// The model description inside a GGUF file: metadata, and for features without a key the tensors present.

#include <algorithm>

#include <fmt/format.h>

#include "lieq/model/config.h"
#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/pack/decode.h"

namespace lieq::model {
namespace {

Result<const Architecture*> find_architecture(const io::Gguf& gguf) {
  LIEQ_ASSIGN(const auto found, gguf.string("general.architecture"));
  if (!found)
    return fail(ErrorCode::kInvalidFormat, gguf.file + ": key 'general.architecture': missing, expected a name");
  std::string known;
  for (const Architecture& one : architectures()) {
    if (*found == one.model_type) return &one;
    known += (known.empty() ? "" : ", ") + std::string(one.model_type);
  }
  return unsupported(gguf.file, "general.architecture", in_quotes(*found), "one of " + known);
}

/// Reads "{architecture}.NAME" keys.
class Keys {
 public:
  Keys(const io::Gguf& gguf, std::string_view architecture) : gguf_(gguf), prefix_(std::string(architecture) + ".") {}

  [[nodiscard]] std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  [[nodiscard]] Result<std::uint64_t> required_count(std::string_view name) const {
    LIEQ_ASSIGN(const auto value, gguf_.count(key(name)));
    if (!value)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: key '{}': missing, expected an integer", gguf_.file, key(name)));
    return *value;
  }
  [[nodiscard]] Result<std::optional<std::uint64_t>> count(std::string_view name) const {
    return gguf_.count(key(name));
  }
  [[nodiscard]] Result<double> positive(std::string_view name, double fallback) const {
    LIEQ_ASSIGN(const auto value, gguf_.number(key(name)));
    const double number = value.value_or(fallback);
    if (!(number > 0 && number < 1e12))
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: key '{}': found {}, expected a positive number", gguf_.file, key(name), number));
    return number;
  }

 private:
  const io::Gguf& gguf_;
  std::string prefix_;
};

Result<RopeConfig> read_rope(const io::Gguf& gguf, const Keys& keys, std::size_t head_dim) {
  RopeConfig rope;
  LIEQ_ASSIGN(rope.theta, keys.positive("rope.freq_base", 10000));
  LIEQ_ASSIGN(const auto rotated, keys.count("rope.dimension_count"));
  if (rotated && *rotated != head_dim)
    return unsupported(gguf.file, keys.key("rope.dimension_count"), fmt::format("{}", *rotated),
                       fmt::format("the head size {}", head_dim));
  LIEQ_ASSIGN(const auto type, gguf.string(keys.key("rope.scaling.type")));
  if (type && *type == "linear") {
    rope.type = RopeType::kLinear;
    LIEQ_ASSIGN(rope.factor, keys.positive("rope.scaling.factor", 1));
  } else if (type && *type != "none") {
    return unsupported(gguf.file, keys.key("rope.scaling.type"), in_quotes(*type), "one of none, linear");
  }
  const io::Tensor* divisors = gguf.tensors.find("rope_freqs.weight");
  if (!divisors) return rope;
  if (divisors->shape != std::vector<std::size_t>{head_dim / 2} || divisors->type != DType::kF32)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: tensor 'rope_freqs.weight': shape {} of {}, expected [{}] of F32", gguf.file,
                            io::shape_text(divisors->shape), name(divisors->type), head_dim / 2));
  rope.divisors.resize(head_dim / 2);
  pack::decode(DType::kF32, divisors->data.data(), head_dim / 2, rope.divisors.data());
  for (const float divisor : rope.divisors)
    if (!(divisor > 0 && divisor < 1e12F))
      return fail(
          ErrorCode::kInvalidFormat,
          fmt::format("{}: tensor 'rope_freqs.weight': found {}, expected positive numbers", gguf.file, divisor));
  return rope;
}

}  // namespace

Result<ModelConfig> config_from_gguf(const io::Gguf& gguf) {
  LIEQ_ASSIGN(const Architecture* architecture, find_architecture(gguf));
  const Keys keys(gguf, architecture->model_type);
  ModelConfig config;
  config.architecture = architecture->hf_name;
  config.model_type = architecture->model_type;
  config.qk_norm = architecture->qk_norm;
  LIEQ_ASSIGN(config.hidden_size, keys.required_count("embedding_length"));
  LIEQ_ASSIGN(config.intermediate_size, keys.required_count("feed_forward_length"));
  LIEQ_ASSIGN(config.num_hidden_layers, keys.required_count("block_count"));
  LIEQ_ASSIGN(config.num_attention_heads, keys.required_count("attention.head_count"));
  LIEQ_ASSIGN(const auto kv_heads, keys.count("attention.head_count_kv"));
  config.num_key_value_heads = kv_heads.value_or(config.num_attention_heads);
  LIEQ_ASSIGN(const auto key_length, keys.count("attention.key_length"));
  config.head_dim = key_length.value_or(config.hidden_size / std::max<std::size_t>(1, config.num_attention_heads));
  LIEQ_ASSIGN(const auto value_length, keys.count("attention.value_length"));
  if (value_length && *value_length != config.head_dim)
    return unsupported(gguf.file, keys.key("attention.value_length"), fmt::format("{}", *value_length),
                       fmt::format("the key length {}", config.head_dim));
  LIEQ_ASSIGN(const auto positions, keys.count("context_length"));
  config.max_position_embeddings = positions.value_or(2048);
  LIEQ_ASSIGN(config.rms_norm_eps, keys.positive("attention.layer_norm_rms_epsilon", 1e-6));

  const io::Tensor* embedding = gguf.tensors.find("token_embd.weight");
  LIEQ_ASSIGN(const auto vocab, keys.count("vocab_size"));
  config.vocab_size = vocab.value_or(embedding && !embedding->shape.empty() ? embedding->shape.front() : 0);
  config.tie_word_embeddings = !gguf.tensors.find("output.weight");
  config.qkv_bias = architecture->qkv_bias || gguf.tensors.find("blk.0.attn_q.bias");
  config.o_bias = gguf.tensors.find("blk.0.attn_output.bias");
  config.mlp_bias = gguf.tensors.find("blk.0.ffn_up.bias");
  for (auto [key, target] : {std::pair{"tokenizer.ggml.bos_token_id", &config.bos_token_id},
                             {"tokenizer.ggml.eos_token_id", &config.eos_token_id},
                             {"tokenizer.ggml.eot_token_id", &config.eos_token_id}}) {
    LIEQ_ASSIGN(const auto id, gguf.count(key));
    if (id && std::find(target->begin(), target->end(), *id) == target->end()) target->push_back(*id);
  }
  LIEQ_TRY(check_sizes(config,
                       {keys.key("embedding_length"), keys.key("feed_forward_length"), keys.key("block_count"),
                        keys.key("attention.head_count"), keys.key("attention.head_count_kv"),
                        keys.key("attention.key_length"), keys.key("vocab_size")},
                       gguf.file));
  LIEQ_ASSIGN(config.rope, read_rope(gguf, keys, config.head_dim));
  return config;
}

}  // namespace lieq::model
