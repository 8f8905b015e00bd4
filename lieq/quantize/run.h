#pragma once
/// Walks over a model's layers and quantises each, with the activations that the layers before it give.

#include <cstddef>
#include <memory>
#include <span>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quantized_layer.h"

namespace lieq::quantize {

/// Sums over calibration windows are the same for a power of two of ranks only; Method::kOmniQuant works in one
/// process. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_ranks(const Ranks& ranks, const Options& options);

/// Whether the method knows all steps of the model: Method::kOmniQuant takes gradients. Errors: kUnsupported.
[[nodiscard]] Result<void> check_method(const model::Model& model, const Options& options);

/// Two streams of calibration activations advance together: one through the unquantised layers (only for
/// Options::corrected_target and Method::kOmniQuant), one through the quantised ones. Each rank carries the streams of
/// its windows (streams.h) and fits its rows (row_shares.h); every rank gets the whole layer.
///
/// Memory of a rank: the streams ([tokens, hidden_size] each), the attention's outputs and, up to kKeptBytes, the gated
/// activations of one layer, one layer's weights in float32, and of
/// the linears that are being fitted the Hessian, its factor, the cross products (4 bytes each) and the factorisation
/// (8 bytes): up to 20 · in² bytes; while they are summed, 4 · in² and for each of the 4 to 6 levels of the tree
/// another 2 · in² and a cross product. The model itself is as it was loaded.
class LayerWalk {
 public:
  /// calibration: windows of `window` ids, one after the other; a last partial one is left out.
  /// model, threads and sink must outlive this. Method::kRtn needs no ids.
  /// Errors: kInvalidArgument (options that do not fit the model, no whole window, ids out of range, check_ranks());
  /// check_method().
  [[nodiscard]] static Result<LayerWalk> create(const model::Model& model, std::span<const model::TokenId> ids,
                                                std::size_t window, const Options& options, Threads& threads,
                                                Sink& sink);

  /// Quantises each linear of the next layer to its width and advances both streams. Layers are taken in order from 0.
  /// Errors: kInvalidArgument (bits); kNumerical naming the linears whose Hessian is singular even when damped, or
  /// whose activations are not finite; kCancelled. After an error the streams may stand half way through the layer: the
  /// walk can only be destroyed. Bitwise equal for any number of threads and any power of two of ranks.
  [[nodiscard]] Result<QuantizedLayer> quantize(std::size_t layer, const LayerWidths& widths);
  /// All linears to `bits`.
  [[nodiscard]] Result<QuantizedLayer> quantize(std::size_t layer, unsigned bits) {
    return quantize(layer, uniform_widths(bits));
  }

  /// Takes a layer that was quantised before and advances both streams as quantize() had done: the same bytes.
  [[nodiscard]] Result<void> resume_with(std::size_t layer, const QuantizedLayer& finished);

  LayerWalk(LayerWalk&&) noexcept;
  LayerWalk& operator=(LayerWalk&&) noexcept;
  ~LayerWalk();

 private:
  struct Impl;
  explicit LayerWalk(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lieq::quantize
