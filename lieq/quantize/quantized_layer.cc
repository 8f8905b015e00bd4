#include "lieq/quantize/quantized_layer.h"

#include <fmt/format.h>

#include "lieq/pack/packed_blocks.h"

namespace lieq::quantize {

LayerWidths uniform_widths(unsigned bits) {
  LayerWidths widths{};
  widths.fill(bits);
  return widths;
}

std::string names_of(std::size_t layer, std::span<const model::LinearKind> kinds) {
  std::string names = fmt::format("layer {}:", layer);
  for (const model::LinearKind kind : kinds)
    names += fmt::format("{} {}", kind == kinds.front() ? "" : ",", model::name(kind));
  return names;
}

void QuantizedLayer::set(model::LinearKind kind, QuantizedLinear matrix) {
  if (auto* in_blocks = std::get_if<pack::BlockMatrix>(&matrix)) {
    block(kind) = std::move(*in_blocks);
  } else {
    linear(kind) = std::move(std::get<pack::QuantizedMatrix>(matrix));
  }
}

PackedLayer::PackedLayer(Threads& threads, const model::Layer& original, const QuantizedLayer& quantized)
    : layer_(original) {
  layer_.input_layernorm = quantized.input_layernorm;
  layer_.post_attention_layernorm = quantized.post_attention_layernorm;
  for (const model::LinearKind kind : model::kLinearKinds) {
    layer_.linears[static_cast<std::size_t>(kind)].bias = quantized.biases[static_cast<std::size_t>(kind)];
    if (quantized.is_blocks(kind)) {
      replace(threads, kind, quantized.block(kind));
    } else {
      replace(threads, kind, quantized.linear(kind));
    }
  }
}

void PackedLayer::replace(Threads& threads, model::LinearKind kind, const pack::QuantizedMatrix& matrix) {
  pack::StoredMatrix& stored = layer_.linears[static_cast<std::size_t>(kind)].weight;
  stored = {stored.name};
  stored.rows = matrix.rows;
  stored.cols = matrix.cols;
  stored.packed = std::make_shared<const pack::PackedMatrix>(threads, matrix);
}

void PackedLayer::replace(Threads& threads, model::LinearKind kind, const pack::BlockMatrix& matrix) {
  pack::StoredMatrix& stored = layer_.linears[static_cast<std::size_t>(kind)].weight;
  stored = matrix.stored(stored.name);
  stored.packed = std::make_shared<const pack::PackedMatrix>(pack::pack_blocks(threads, stored));
}

void PackedLayer::replace(Threads& threads, model::LinearKind kind, const QuantizedLinear& linear) {
  if (const auto* blocks = std::get_if<pack::BlockMatrix>(&linear)) {
    replace(threads, kind, *blocks);
  } else {
    replace(threads, kind, std::get<pack::QuantizedMatrix>(linear));
  }
}

}  // namespace lieq::quantize
