#pragma once
/// What a model is: sizes, features and rotary embedding, named as in config.json.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/io/gguf.h"
#include "lieq/model/rope.h"

namespace lieq::model {

/// One supported family. An architecture is data: the forward pass asks for features, never for a name.
struct Architecture {
  std::string_view hf_name;     ///< architectures[0] of config.json
  std::string_view model_type;  ///< also the GGUF general.architecture
  bool qkv_bias;                ///< q, k and v have a bias without the config saying so
  bool qk_norm;                 ///< RMSNorm per head on q and k before the rotation
  bool gguf_interleaves_rope;   ///< GGUF files store q and k rows with rotary pairs side by side
  std::size_t head_dim;         ///< where config.json does not say; 0: hidden_size / num_attention_heads
  std::size_t max_position_embeddings;  ///< where config.json does not say
  bool sliding_windows;         ///< use_sliding_window and layer_types mean something
};

/// All supported ones, in the order error messages list them.
[[nodiscard]] const std::vector<Architecture>& architectures();

struct ModelConfig {
  std::string architecture;  ///< e.g. "LlamaForCausalLM"
  std::string model_type;    ///< e.g. "llama"
  std::size_t hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  std::size_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  std::size_t vocab_size = 0, max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;
  bool tie_word_embeddings = false;
  bool qkv_bias = false, o_bias = false, mlp_bias = false, qk_norm = false;
  RopeConfig rope;
  std::vector<std::uint64_t> bos_token_id, eos_token_id;

  [[nodiscard]] std::size_t q_size() const { return num_attention_heads * head_dim; }
  [[nodiscard]] std::size_t kv_size() const { return num_key_value_heads * head_dim; }
};

/// Reads config.json (both generations of its keys). `place` opens error messages. Keys that are not known are warned
/// of
/// (config_keys.h).
/// Errors: kInvalidFormat (field missing, of a wrong type, or contradicting another), kUnsupported
/// (architecture, rope type, activation, sliding windows, or any other known change of the arithmetic that this version
/// does not run).
[[nodiscard]] Result<ModelConfig> config_from_json(const Json& json, const std::string& place, Sink& sink);

/// Reads the metadata and tensor names of a GGUF file. Errors: as config_from_json.
[[nodiscard]] Result<ModelConfig> config_from_gguf(const io::Gguf& gguf, Sink& sink);

/// The ids of a field that holds one, a list or null; a negative one, with which some programs mean none, is left out.
/// Errors: kInvalidFormat.
[[nodiscard]] Result<std::vector<std::uint64_t>> token_ids(const Json& json, const std::string& key,
                                                           const std::string& place);

}  // namespace lieq::model
