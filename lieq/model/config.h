#pragma once
/// What a model is: sizes, features and rotary embedding, named as in config.json.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/io/gguf.h"
#include "lieq/model/architecture.h"
#include "lieq/model/rope.h"

namespace lieq::model {

/// What one layer does otherwise than the others.
struct LayerKind {
  std::size_t window = 0;  ///< a query sees its own key and those less than this far before it; 0: all before it
  bool rotated = true;     ///< q and k go through a rotary embedding

  bool operator==(const LayerKind&) const = default;
};

struct ModelConfig {
  std::string architecture;  ///< e.g. "LlamaForCausalLM", a row of architectures()
  std::string model_type;    ///< e.g. "llama"
  std::size_t hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  std::size_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  std::size_t vocab_size = 0, max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  QkNorm qk_norm = QkNorm::kNone;
  NormPlacement norms = NormPlacement::kBefore;
  Activation activation = Activation::kSilu;
  float attention_scale = 0;       ///< scores are multiplied by it; 0: 1 / sqrt(head_dim)
  float embedding_multiplier = 1;  ///< of what the first block reads
  float residual_multiplier = 1;   ///< of what attention and MLP add to the residual stream
  float logits_scaling = 1;        ///< logits are divided by it
  float final_logit_softcap = 0;   ///< c: logits become c tanh(logits / c); 0: they stay
  std::size_t rotary_dim = 0;      ///< numbers of a head that are rotated, the first ones; 0: all
  RopeConfig rope;
  std::optional<RopeConfig> window_rope;  ///< of layers with a window; nothing: as the others
  std::vector<LayerKind> layer_kinds;     ///< [num_hidden_layers]; empty: all as LayerKind()
  std::vector<std::uint64_t> bos_token_id, eos_token_id;

  [[nodiscard]] std::size_t q_size() const { return num_attention_heads * head_dim; }
  [[nodiscard]] std::size_t kv_size() const { return num_key_value_heads * head_dim; }
  [[nodiscard]] std::size_t rotated() const { return rotary_dim == 0 ? head_dim : rotary_dim; }
  [[nodiscard]] LayerKind kind(std::size_t layer) const {
    return layer_kinds.empty() ? LayerKind() : layer_kinds[layer];
  }
};

/// The sizes of a model under the keys of config.json.
[[nodiscard]] Json shape_fields(const ModelConfig& config);

/// The text model of a config.json: itself, or the text_config of a multimodal checkpoint whose text model is
/// supported, with the tokens, tying and quantization_config that stand outside.
[[nodiscard]] Json text_config(const Json& config);

/// Reads config.json (both generations of its keys). `place` opens error messages. Keys that are not known are warned
/// of (config_keys.h).
/// Errors: kInvalidFormat (field missing, of a wrong type, or contradicting another), kUnsupported
/// (architecture, rope type, activation, or any other known change of the arithmetic that this version does not run).
[[nodiscard]] Result<ModelConfig> config_from_json(const Json& json, const std::string& place, Sink& sink);

/// Reads the metadata and tensor names of a GGUF file. Errors: as config_from_json.
[[nodiscard]] Result<ModelConfig> config_from_gguf(const io::Gguf& gguf, Sink& sink);

/// The ids of a field that holds one, a list or null; a negative one, with which some programs mean none, is left out.
/// Errors: kInvalidFormat.
[[nodiscard]] Result<std::vector<std::uint64_t>> token_ids(const Json& json, const std::string& key,
                                                           const std::string& place);

}  // namespace lieq::model
