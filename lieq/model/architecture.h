#pragma once
/// Families of models as data: what their layers have, and what files leave unsaid. The forward pass asks for features,
/// never for a name.

#include <cstddef>
#include <string_view>
#include <vector>

namespace lieq::model {

/// Where attention and MLP have their norms: on what they read, on what they add to the residual stream, or on both.
enum class NormPlacement { kBefore, kAfter, kBoth };

/// RMSNorm of q and k before the rotation.
enum class QkNorm { kNone, kPerHead, kWholeRow };

/// What the gate of an MLP goes through.
enum class Activation { kSilu, kGeluTanh };

/// How config.json gives layers a sliding window, where layer_types does not list them.
enum class WindowRule {
  kNone,        ///< it cannot: keys about windows mean nothing
  kEveryLayer,  ///< sliding_window is of every layer, null: none; layer_types means nothing
  kListed,      ///< as kEveryLayer, but layer_types counts
  kFromLayer,   ///< use_sliding_window, and layers from max_window_layers on
  kUnrotated,   ///< use_sliding_window, and layers without rope
  kPattern,     ///< all layers but every sliding_window_pattern-th
};

/// Projections that lie in one tensor.
enum class Fusion {
  kNone,
  kAll,     ///< q, k and v in qkv_proj, gate and up in gate_up_proj; in GGUF attn_qkv and ffn_up
  kShared,  ///< gate and up in shared_mlp.input_linear, down in shared_mlp.output_linear; in GGUF three tensors
};

inline constexpr std::size_t kAllLayers = static_cast<std::size_t>(-1);

/// One supported family.
struct Architecture {
  std::string_view hf_name;          ///< architectures[0] of config.json
  std::string_view model_type;       ///< of config.json
  std::string_view gguf_name;        ///< general.architecture
  std::string_view multimodal = {};  ///< model_type of checkpoints that hold it as their text_config
  /// What config.json need not say, as JSON: the defaults of the family's class in transformers where they differ from
  /// those of config_from_json.
  std::string_view defaults = "{}";
  /// Keys of config.json that this family reads beside the common ones; others refuse them.
  std::vector<std::string_view> keys = {};
  /// The same for "{gguf_name}.*".
  std::vector<std::string_view> gguf_keys = {};

  bool qkv_bias = false;  ///< q, k and v have a bias without the config saying so
  QkNorm qk_norm = QkNorm::kNone;
  NormPlacement norms = NormPlacement::kBefore;
  bool norms_from_one = false;                ///< safetensors hold the gains of norms less 1; GGUF the gains
  bool embedding_by_width = false;            ///< embeddings are multiplied by sqrt(hidden_size)
  Activation activation = Activation::kSilu;  ///< where a file does not say
  std::string_view activation_key = "hidden_act";
  Fusion fusion = Fusion::kNone;
  WindowRule windows = WindowRule::kNone;
  bool rope_by_kind = false;      ///< layers with a window are rotated on their own: plainly, by their own theta
  bool partial_rotation = false;  ///< partial_rotary_factor below 1

  bool gguf_interleaves_rope = false;  ///< GGUF files store q and k rows with rotary pairs side by side
  /// In GGUF files with a window every n-th layer has none; kAllLayers: all have it; 0: there are none with a window.
  std::size_t gguf_window_period = 0;
  double gguf_window_theta = 0;           ///< rope theta of layers with a window; 0: that of the others
  std::size_t gguf_no_rope_interval = 0;  ///< every n-th layer is not rotated
  /// With so many layers the attention scale follows from hidden_size / num_attention_heads, not from head_dim.
  std::size_t gguf_wide_scale_layers = 0;

  [[nodiscard]] bool reads(std::string_view key) const;
  [[nodiscard]] bool reads_gguf(std::string_view key) const;
};

/// All supported ones, in the order error messages list them.
[[nodiscard]] const std::vector<Architecture>& architectures();

/// The row of this name, which must be there.
[[nodiscard]] const Architecture& architecture_of(std::string_view hf_name);

}  // namespace lieq::model
