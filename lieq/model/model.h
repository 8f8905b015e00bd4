#pragma once
/// A loaded model: configuration and weights, immutable, shared by everything that runs it.

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/io/tensors.h"
#include "lieq/model/config.h"
#include "lieq/model/tensor_table.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::model {

/// y = x weightᵀ + bias.
struct Linear {
  pack::StoredMatrix weight;  ///< [out, in], bytes in the mapped file or packed codes
  std::vector<float> bias;    ///< [out] or empty
};

/// Gains of norms are what is multiplied by, also where files hold them less 1.
struct Layer {
  LayerKind attention;
  std::vector<float> input_layernorm, post_attention_layernorm;  ///< before attention and MLP, [hidden_size] or empty
  std::vector<float> attention_output_norm, mlp_output_norm;     ///< behind them, [hidden_size] or empty
  std::vector<float> q_norm, k_norm;                             ///< of a head, or of the whole row, or empty
  std::array<Linear, kLinearsPerLayer> linears;

  [[nodiscard]] const Linear& linear(LinearKind kind) const { return linears[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] Linear& linear(LinearKind kind) { return linears[static_cast<std::size_t>(kind)]; }
  /// The norm of a role of layers.
  [[nodiscard]] const std::vector<float>& norm(Role role) const;
  [[nodiscard]] std::vector<float>& norm(Role role) {
    return const_cast<std::vector<float>&>(std::as_const(*this).norm(role));
  }
};

/// How a model is put into memory.
struct LoadOptions {
  /// Bits of the embedding and the head: 4 or 8 rounds them (kernels::pack_rows) unless they are packed with no more
  /// bits as they are, 16 leaves them as stored. Nothing: what the folder's lieq.json recommends, else as stored.
  std::optional<unsigned> embed_bits;
  /// Blocks of GGUF that fit (pack/packed_blocks.h) are also kept as packed codes, which products read.
  bool pack_blocks = true;

  /// The weights of the file, packed where that changes none: for what multiplies by them and writes them on.
  [[nodiscard]] static LoadOptions unrounded() { return {.embed_bits = 16, .pack_blocks = true}; }
  /// Weights as they lie in the file alone: for exports and checks, which read them once.
  [[nodiscard]] static LoadOptions as_stored() { return {.embed_bits = 16, .pack_blocks = false}; }
};

struct Model {
  std::filesystem::path path;
  std::string format;  ///< "safetensors", "GGUF", or of a quantised folder name(Container): "GPTQ", "AWQ", ...
  ModelConfig config;
  pack::StoredMatrix embed_tokens;  ///< [vocab_size, hidden_size]
  std::vector<Layer> layers;
  std::vector<float> norm;          ///< [hidden_size]
  pack::StoredMatrix lm_head;       ///< [vocab_size, hidden_size]; embed_tokens when tied
  io::TensorSet files;              ///< keeps the mappings alive

  /// Opens a Hugging Face folder or a GGUF file and proves it complete: every tensor of tensor_table() present with its
  /// shape and a weight type, none that the configuration excludes, all weights finite (one read of all bytes), and
  /// packs what `options` ask for.
  /// Unknown further tensors are warned about. Errors: kNotFound, kIo, kInvalidFormat, kUnsupported, kNumerical.
  [[nodiscard]] static Result<Model> load(const std::filesystem::path& path, Threads& threads, Sink& sink,
                                          const LoadOptions& options = {});

  /// The same of dense tensors in memory: names and shapes as a Hugging Face folder has them. `config`: what would be
  /// its config.json; `name` stands for its path in messages and must name no file. Matrices are read where they lie,
  /// vectors are copied. Errors: as load().
  [[nodiscard]] static Result<Model> from_tensors(const std::string& name, const Json& config, io::TensorSet tensors,
                                                  Threads& threads, Sink& sink);
};

/// Sizes of a part of the model, in weights, bytes, and bits of codes alone.
struct Footprint {
  std::size_t parameters = 0, bytes = 0;
  double code_bits = 0;     ///< sum over weights, not a mean
  std::size_t memory = 0;   ///< bytes in memory: packed ones with their padding, or those of the mapped file

  void add(const pack::StoredMatrix& matrix);
  void add(const Footprint& other);
  /// Mean bits per weight; 0 for an empty footprint.
  [[nodiscard]] double mean_code_bits() const;
  [[nodiscard]] double mean_true_bits() const;
};

/// The linears of one layer.
[[nodiscard]] Footprint footprint(const Layer& layer);
/// The embedding and the head, once when tied.
[[nodiscard]] Footprint embeddings_footprint(const Model& model);
/// The transformer linears of all layers: what code bits and true bits are reported over.
[[nodiscard]] Footprint linears_footprint(const Model& model);
/// Transformer linears whose products read no packed codes.
[[nodiscard]] std::size_t count_unpacked_linears(const Model& model);
/// The values of a norm, or of a bias and those fused with it. l: the layer, for specs of a layer.
[[nodiscard]] std::vector<float> vector_of(const Layer& layer, const TensorSpec& spec);
[[nodiscard]] std::vector<float> vector_of(const Model& model, const TensorSpec& spec, std::size_t l);
/// The weights of an embedding, a head, or a linear and those fused with it; empty for other specs.
[[nodiscard]] std::vector<const pack::StoredMatrix*> matrices_of(const Model& model, const TensorSpec& spec,
                                                                 std::size_t l);
/// Values as a Hugging Face file holds them: norms less 1 where the family has it so.
[[nodiscard]] std::vector<float> hf_values(const TensorSpec& spec, std::vector<float> values);
/// The gain nearest to this one that such a file can hold: what a changed gain becomes.
[[nodiscard]] float storable_gain(const ModelConfig& config, float gain);

/// All parameters, those of a tied head once.
[[nodiscard]] std::size_t parameter_count(const Model& model);

}  // namespace lieq::model
