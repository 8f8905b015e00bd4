#pragma once
/// Which tensors a model consists of: one table for both file formats, so that loading, checking and saving agree.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/model/config.h"

namespace lieq::model {

/// The linears of one layer, in the order of their use.
enum class LinearKind { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr std::size_t kLinearsPerLayer = 7;
inline constexpr LinearKind kLinearKinds[kLinearsPerLayer] = {LinearKind::kQ,    LinearKind::kK,  LinearKind::kV,
                                                              LinearKind::kO,    LinearKind::kGate, LinearKind::kUp,
                                                              LinearKind::kDown};

/// "self_attn.q_proj", "mlp.down_proj", ...
[[nodiscard]] std::string_view name(LinearKind kind);

enum class Role { kLinear, kBias, kInputNorm, kPostAttentionNorm, kQNorm, kKNorm, kEmbedding, kFinalNorm, kHead };

/// A row of the table: what the tensor is, its name in each format ("{}" stands for the layer), and its shape.
struct TensorSpec {
  Role role;
  LinearKind linear;  ///< for kLinear and kBias
  std::string_view hf_name, gguf_name;
  bool per_layer;
  std::vector<std::size_t> shape;      ///< for the config at hand, [out, in] or [size]
  std::string_view shape_in_words;     ///< "num_attention_heads x head_dim, hidden_size"
  bool required;                       ///< for the config at hand; others must be absent
};

/// The whole table for one configuration.
[[nodiscard]] std::vector<TensorSpec> tensor_table(const ModelConfig& config);

/// `pattern` with "{}" replaced by the layer.
[[nodiscard]] std::string tensor_name(std::string_view pattern, std::size_t layer);

}  // namespace lieq::model
