#include "lieq/model/model.h"

namespace lieq::model {

void Footprint::add(const pack::StoredMatrix& matrix) {
  parameters += matrix.rows * matrix.cols;
  bytes += matrix.bytes();
  memory += matrix.packed ? matrix.packed->memory() : matrix.bytes();
  code_bits += matrix.code_bits() * static_cast<double>(matrix.rows * matrix.cols);
}

void Footprint::add(const Footprint& other) {
  parameters += other.parameters;
  bytes += other.bytes;
  memory += other.memory;
  code_bits += other.code_bits;
}

double Footprint::mean_code_bits() const { return parameters == 0 ? 0 : code_bits / static_cast<double>(parameters); }
double Footprint::mean_true_bits() const {
  return parameters == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(parameters);
}

const std::vector<float>& Layer::norm(Role role) const {
  switch (role) {
    case Role::kInputNorm: return input_layernorm;
    case Role::kAttentionOutputNorm: return attention_output_norm;
    case Role::kPostAttentionNorm: return post_attention_layernorm;
    case Role::kMlpOutputNorm: return mlp_output_norm;
    case Role::kQNorm: return q_norm;
    case Role::kKNorm: return k_norm;
    default: LIEQ_CHECK(false);
  }
}

std::vector<float> vector_of(const Layer& layer, const TensorSpec& spec) {
  if (spec.role != Role::kBias) return layer.norm(spec.role);
  std::vector<float> values;
  for (const LinearKind kind : spec.linears)
    values.insert(values.end(), layer.linear(kind).bias.begin(), layer.linear(kind).bias.end());
  return values;
}

std::vector<float> vector_of(const Model& model, const TensorSpec& spec, std::size_t l) {
  return spec.per_layer ? vector_of(model.layers[l], spec) : model.norm;
}

std::vector<const pack::StoredMatrix*> matrices_of(const Model& model, const TensorSpec& spec, std::size_t l) {
  std::vector<const pack::StoredMatrix*> all;
  if (spec.role == Role::kEmbedding) all.push_back(&model.embed_tokens);
  if (spec.role == Role::kHead) all.push_back(&model.lm_head);
  if (spec.role == Role::kLinear)
    for (const LinearKind kind : spec.linears) all.push_back(&model.layers[l].linear(kind).weight);
  return all;
}

std::vector<float> hf_values(const TensorSpec& spec, std::vector<float> values) {
  if (spec.from_one)
    for (float& value : values) value -= 1.0F;
  return values;
}

float storable_gain(const ModelConfig& config, float gain) {
  return architecture_of(config.architecture).norms_from_one ? 1.0F + (gain - 1.0F) : gain;
}

Footprint footprint(const Layer& layer) {
  Footprint sum;
  for (const Linear& linear : layer.linears) sum.add(linear.weight);
  return sum;
}

Footprint linears_footprint(const Model& model) {
  Footprint sum;
  for (const Layer& layer : model.layers) sum.add(footprint(layer));
  return sum;
}

std::size_t count_unpacked_linears(const Model& model) {
  std::size_t count = 0;
  for (const Layer& layer : model.layers)
    for (const Linear& linear : layer.linears) count += linear.weight.packed ? 0 : 1;
  return count;
}

Footprint embeddings_footprint(const Model& model) {
  Footprint sum;
  sum.add(model.embed_tokens);
  if (!model.config.tie_word_embeddings) sum.add(model.lm_head);
  return sum;
}

std::size_t parameter_count(const Model& model) {
  const ModelConfig& c = model.config;
  std::size_t count = 0;
  for (const TensorSpec& spec : tensor_table(c)) {
    if (!spec.required) continue;
    std::size_t size = 1;
    for (const std::size_t n : spec.shape) size *= n;
    count += size * (spec.per_layer ? c.num_hidden_layers : 1);
  }
  return count;
}

}  // namespace lieq::model
