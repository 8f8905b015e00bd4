#pragma once
/// OmniQuant's learnt clipping, a baseline: the range of every group is narrowed by two numbers that are learnt, layer
/// by layer, to keep the layer's output.

#include <array>
#include <cstddef>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quantized_layer.h"
#include "lieq/tune/block.h"

namespace lieq::quantize {

/// Run state, owned by the caller, kept from layer to layer: what is as large as a layer would else leave holes in the
/// heap.
struct ClippingScratch {
  ClippingScratch(const model::ModelConfig& config, std::size_t window, Threads& threads)
      : block(config, window, threads) {}

  tune::Block block;
  tune::ProductScratch products;
  std::array<kernels::Buffer<float>, model::kLinearsPerLayer> weights, rounded;  // [out, in]
  kernels::Buffer<float> output, gradient;
};

/// A group's range is [sigmoid(a) min(w, 0), sigmoid(b) max(w, 0)], a and b 4 at first; rounding to nearest on
/// Grid::kAsym follows. a and b of all linears of the layer are moved together by Adam, Options::clip_epochs times over
/// the tokens, to bring the layer's output on x, in mean square, to `target`; through the rounding the gradient passes
/// as if it were not there. Norms and biases stay.
///
/// x: what the layer reads, from the quantised layers before it; target: what the original layer gives on the original
/// stream. Both [tokens, hidden_size], whole windows of `window` tokens.
/// Errors: kInvalidArgument (check_options()); kCancelled; kNumerical where the outputs are not finite. The model has
/// passed tune::check_tunable(). Cost: four forward passes of the layer an epoch. Bitwise the same for any number of
/// threads.
/// Source: Shao et al. 2023, arXiv:2308.13137, section 3.2. Differs: 10 epochs at twice the rate instead of 20; no
/// learnt equivalent transformation, which its recipe leaves out too where only weights are quantised, in groups.
[[nodiscard]] Result<QuantizedLayer> learn_clipping(const model::Model& model, std::size_t layer,
                                                    const LayerWidths& widths, const Options& options,
                                                    MatrixView<const float> x, MatrixView<const float> target,
                                                    std::size_t window, ClippingScratch& scratch, Threads& threads,
                                                    Sink& sink);

}  // namespace lieq::quantize
