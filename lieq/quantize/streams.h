#pragma once
/// The two streams of calibration activations that walk through the layers beside each other, one through the original
/// layers and one through the quantised ones, and the sums over them that linears are fitted with.

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/model/forward.h"
#include "lieq/model/model.h"
#include "lieq/quantize/activations.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/shared_fit.h"
#include "lieq/quantize/window_tree.h"

namespace lieq::quantize {

/// Whole windows that go through a step at once: about 2048 tokens.
[[nodiscard]] std::size_t chunk_windows(std::size_t window);
/// Gated activations of one layer ([tokens, intermediate_size]) up to this size are kept, others computed twice.
inline constexpr std::size_t kKeptBytes = std::size_t{1} << 30;

/// Carries this rank's windows. Within a layer the calls come in the order in which they stand here; `original` is
/// the layer as it is in the model, `layer` the same with what is quantised of it by then.
class Streams {
 public:
  /// ids: windows of `window` tokens, one after the other; a last partial one is left out. The original's stream is
  /// carried for Options::corrected_target and Method::kOmniQuant alone. model, threads and sink must outlive this.
  Streams(const model::Model& model, std::span<const model::TokenId> ids, std::size_t window, const Options& options,
          Threads& threads, Sink& sink);

  /// Statistics of what q, k and v read; with `attention` false, of what gate and up read: the normed streams.
  [[nodiscard]] InputStatistics of_normed(const model::Layer& original, const model::Layer& layer, bool attention);
  /// Statistics of what o reads. The plain stream goes past the attention; what the quantised one attended is kept.
  [[nodiscard]] InputStatistics of_attended(const model::Layer& original, const model::Layer& layer, std::size_t l);
  /// The quantised stream goes past the attention. changed: what was kept is not what `layer` gives any more.
  void finish_attention(const model::Layer& layer, std::size_t l, bool changed);
  /// Statistics of what down reads. The plain stream goes past the layer.
  [[nodiscard]] InputStatistics of_gated(const model::Layer& original, const model::Layer& layer);
  /// The quantised stream goes past the layer; changed as above.
  void finish_mlp(const model::Layer& layer, bool changed);

  /// A stream goes through a whole layer at once, by the same products as above.
  void run_plain(const model::Layer& original, std::size_t l) { run(plain_, original, l); }
  void run_quantised(const model::Layer& layer, std::size_t l) { run(quantised_, layer, l); }

  /// The residual streams, [tokens of this rank, hidden_size].
  [[nodiscard]] MatrixView<float> plain() { return stream(plain_); }
  [[nodiscard]] MatrixView<float> quantised() { return stream(quantised_); }
  [[nodiscard]] bool has_plain() const { return has_plain_; }
  [[nodiscard]] std::size_t window() const { return window_; }

 private:
  /// The sums over all inputs that step(first token, tokens, sums) adds to, for chunks of this rank.
  struct Sums {
    ProductSum square, cross;
    MagnitudeSum magnitudes;
  };

  [[nodiscard]] MatrixView<float> stream(std::vector<float>& x) const {
    return {x.data(), tokens_, config_.hidden_size};
  }
  [[nodiscard]] bool keeps_gated() const { return tokens_ * config_.intermediate_size * sizeof(float) <= kKeptBytes; }

  template <class Step, class EndLeaf>
  void in_leaves(std::string_view what, const Step& step, const EndLeaf& end_leaf);
  template <class Step>
  void in_chunks(std::string_view what, const Step& step);
  template <class Step>
  InputStatistics gather(std::string_view what, std::size_t in, std::size_t cross_rows, const Step& step);

  MatrixView<float> normed(std::vector<float>& x, std::size_t first, std::size_t count,
                           const std::vector<float>& weight, kernels::Buffer<float>& buffer);
  void attend(const model::Layer& layer, std::size_t l, MatrixView<const float> x, MatrixView<float> y);
  void add_output_error(const model::Layer& original, model::LinearKind kind, MatrixView<const float> plain_x,
                        MatrixView<const float> x, std::size_t first, ProductSum& cross);
  void run(std::vector<float>& x, const model::Layer& layer, std::size_t l);

  const model::ModelConfig& config_;
  std::size_t window_;
  bool has_plain_;          // also where this rank has no window
  bool magnitudes_;         // of the inputs, which AWQ asks for
  double residual_weight_;  // Options::residual_weight
  WindowTree tree_;
  std::size_t tokens_;  // of this rank's windows
  Threads& threads_;
  Sink& sink_;
  model::BlockState block_;
  std::vector<float> plain_, quantised_;
  kernels::Buffer<float> plain_inputs_, inputs_, difference_, output_, kept_;
};

}  // namespace lieq::quantize
