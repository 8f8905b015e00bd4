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
