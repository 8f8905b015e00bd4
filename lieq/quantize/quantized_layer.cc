#include "lieq/quantize/quantized_layer.h"

#include <fmt/format.h>

namespace lieq::quantize {

std::string names_of(std::size_t layer, std::span<const model::LinearKind> kinds) {
  std::string names = fmt::format("layer {}:", layer);
  for (const model::LinearKind kind : kinds)
    names += fmt::format("{} {}", kind == kinds.front() ? "" : ",", model::name(kind));
  return names;
}

DequantizedLayer::DequantizedLayer(Threads& threads, const model::Layer& original, const QuantizedLayer& quantized)
    : layer_(original) {
  layer_.input_layernorm = quantized.input_layernorm;
  layer_.post_attention_layernorm = quantized.post_attention_layernorm;
  for (const model::LinearKind kind : model::kLinearKinds) {
    layer_.linears[static_cast<std::size_t>(kind)].bias = quantized.biases[static_cast<std::size_t>(kind)];
    replace(threads, kind, quantized.linear(kind));
  }
}

void DequantizedLayer::replace(Threads& threads, model::LinearKind kind, const pack::QuantizedMatrix& matrix) {
  const auto k = static_cast<std::size_t>(kind);
  const MatrixView<float> weights = weights_[k].matrix(matrix.rows, matrix.cols);
  threads.for_each(matrix.rows,
                   [&](std::size_t i, std::size_t) { pack::dequantize_row(matrix, i, weights.row(i).data()); });
  pack::StoredMatrix& stored = layer_.linears[k].weight;
  stored.type = DType::kF32;
  stored.rows = matrix.rows;
  stored.cols = matrix.cols;
  stored.data = reinterpret_cast<const std::byte*>(weights.data());
  stored.interleaved_head_dim = 0;
}

}  // namespace lieq::quantize
