#pragma once
/// What quantising one transformer block gives, and that block made ready to run.

#include <array>
#include <variant>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/model/model.h"
#include "lieq/model/tensor_table.h"
#include "lieq/quantize/k_fitted.h"

namespace lieq::quantize {

/// Bits of each linear of a layer, by LinearKind.
using LayerWidths = std::array<unsigned, model::kLinearsPerLayer>;

[[nodiscard]] LayerWidths uniform_widths(unsigned bits);
[[nodiscard]] inline unsigned width_of(const LayerWidths& widths, model::LinearKind kind) {
  return widths[static_cast<std::size_t>(kind)];
}

/// How well one linear was fitted, measured with the damped Hessian H of its calibration inputs; after rounding to
/// nearest without one (Method::kRtn, or a fall-back to it) with H = I.
struct LinearReport {
  double loss = 0;           ///< tr(E H Eᵀ), E = target - quantised
  double relative_loss = 0;  ///< loss / tr(W H Wᵀ)
  double compared_loss = -1;      ///< the loss on Options::compare_grid; below 0: not measured
  bool fell_back_to_rtn = false;  ///< its Hessian was singular, Options::on_singular = kRtn
};

/// "layer 3: self_attn.q_proj, self_attn.k_proj": what messages call some linears of a layer.
[[nodiscard]] std::string names_of(std::size_t layer, std::span<const model::LinearKind> kinds);

struct QuantizedLayer {
  std::array<pack::QuantizedMatrix, model::kLinearsPerLayer> linears;  ///< by LinearKind; on Grid::kK empty
  std::array<pack::BlockMatrix, model::kLinearsPerLayer> blocks;       ///< by LinearKind; empty but on Grid::kK
  std::vector<float> input_layernorm, post_attention_layernorm;        ///< with gains folded in, else as in the model
  std::array<std::vector<float>, model::kLinearsPerLayer> biases;      ///< with gains folded in, else as in the model
  std::array<LinearReport, model::kLinearsPerLayer> reports;

  [[nodiscard]] pack::QuantizedMatrix& linear(model::LinearKind kind) {
    return linears[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] const pack::QuantizedMatrix& linear(model::LinearKind kind) const {
    return linears[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] pack::BlockMatrix& block(model::LinearKind kind) { return blocks[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] const pack::BlockMatrix& block(model::LinearKind kind) const {
    return blocks[static_cast<std::size_t>(kind)];
  }
  void set(model::LinearKind kind, QuantizedLinear matrix);
  [[nodiscard]] bool is_blocks(model::LinearKind kind) const { return !block(kind).empty(); }
};

/// A model::Layer whose quantised linears are packed, so that what follows it is calibrated with the kernels that run
/// it.
class PackedLayer {
 public:
  /// Begins as a copy of `original`, its weights still viewed where they are.
  explicit PackedLayer(const model::Layer& original) : layer_(original) {}
  /// All linears, norms and biases taken from `quantized`.
  PackedLayer(Threads& threads, const model::Layer& original, const QuantizedLayer& quantized);

  /// Replaces one linear's weights.
  void replace(Threads& threads, model::LinearKind kind, const pack::QuantizedMatrix& matrix);
  void replace(Threads& threads, model::LinearKind kind, const pack::BlockMatrix& matrix);
  void replace(Threads& threads, model::LinearKind kind, const QuantizedLinear& linear);

  [[nodiscard]] const model::Layer& layer() const { return layer_; }
  [[nodiscard]] model::Layer& layer() { return layer_; }

 private:
  model::Layer layer_;
};

}  // namespace lieq::quantize
