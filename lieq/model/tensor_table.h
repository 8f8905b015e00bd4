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

enum class Role {
  kLinear,
  kBias,
  kInputNorm,            ///< of what attention reads
  kAttentionOutputNorm,  ///< of what attention adds to the residual stream
  kPostAttentionNorm,    ///< of what the MLP reads, named as in Llama
  kMlpOutputNorm,        ///< of what the MLP adds to the residual stream
  kQNorm,
  kKNorm,
  kEmbedding,
  kFinalNorm,
  kHead
};

/// A row of the table: what the tensor is, its name in each format ("{}" stands for the layer), and its shape.
struct TensorSpec {
  Role role;
  /// For kLinear and kBias: the linears whose rows the tensor holds, one after the other; several are fused.
  std::vector<LinearKind> linears;
  std::string hf_name, gguf_name;
  bool per_layer;
  std::vector<std::size_t> shape;      ///< for the config at hand, [out, in] or [size]
  std::string_view shape_in_words;     ///< "num_attention_heads x head_dim, hidden_size"
  bool required;                       ///< for the config at hand; others must be absent
  bool from_one = false;               ///< Hugging Face files hold the values less 1
};

enum class Names { kHuggingFace, kGguf };

/// The whole table for one configuration and one format: they differ where one has fused tensors.
[[nodiscard]] std::vector<TensorSpec> tensor_table(const ModelConfig& config, Names names = Names::kHuggingFace);

/// Rows of a linear: its outputs.
[[nodiscard]] std::size_t outputs_of(const ModelConfig& config, LinearKind kind);

/// The modules of a layer that are quantised, as a Hugging Face folder names them, and the linears in each.
struct LinearModule {
  std::string pattern;  ///< "model.layers.{}.self_attn.qkv_proj"
  std::vector<LinearKind> linears;
};
[[nodiscard]] std::vector<LinearModule> linear_modules(const ModelConfig& config);
/// "self_attn.qkv_proj"
[[nodiscard]] std::string name_in_layer(const LinearModule& module);
/// Their names below "model.layers.N."; of an architecture that is not known those of Llama.
[[nodiscard]] std::vector<std::string> linear_names(const std::string& architecture);

/// "model.norm.weight" -> "model.norm"
[[nodiscard]] std::string module_name(std::string_view tensor);

/// `pattern` with "{}" replaced by the layer.
[[nodiscard]] std::string tensor_name(std::string_view pattern, std::size_t layer);

}  // namespace lieq::model
