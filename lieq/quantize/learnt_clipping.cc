#include "lieq/quantize/learnt_clipping.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/dtype.h"
#include "lieq/kernels/linear.h"
#include "lieq/quantize/grid.h"
#include "lieq/quantize/shared_fit.h"
#include "lieq/quantize/streams.h"
#include "lieq/tune/adam.h"

namespace lieq::quantize {
namespace {

using model::LinearKind;

constexpr double kRate = 0.02;  // Adam's
constexpr float kOpen = 4;      // logit of a share at first: 0.982

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

/// weight = scale * (code - zero)
struct GroupGrid {
  float scale, zero, top;

  [[nodiscard]] float step_of(float w) const { return std::round(w / scale); }
  [[nodiscard]] float code(float w) const { return std::clamp(step_of(w) + zero, 0.0F, top); }
  [[nodiscard]] float weight(float w) const { return scale * (code(w) - zero); }
  /// Of weight(w) to the scale, the rounding passed as if it were not there.
  [[nodiscard]] float by_scale(float w) const {
    const float free = step_of(w) + zero;
    return free < 0 || free > top ? code(w) - zero : step_of(w) - w / scale;
  }
};

/// One linear: its weights, the logits of what its groups keep of their extremes, and the weights that come of it.
class ClippedLinear {
 public:
  /// weights, rounded: room that outlives this.
  ClippedLinear(Threads& threads, const pack::StoredMatrix& stored, unsigned bits, std::size_t group_size,
                kernels::Buffer<float>& weights, kernels::Buffer<float>& rounded)
      : threads_(threads),
        rows_(stored.rows),
        cols_(stored.cols),
        rules_{.bits = bits, .grid = Grid::kAsym},
        group_(group_size == 0 ? stored.cols : group_size),
        adam_(2 * stored.rows * (stored.cols / group_)) {
    const std::size_t groups = rows_ * (cols_ / group_);
    logits_.assign(2 * groups, kOpen);
    gradient_.assign(2 * groups, 0);
    low_.resize(groups);
    high_.resize(groups);
    weights_ = weights.matrix(rows_, cols_);
    made_ = rounded.matrix(rows_, cols_);
    const MatrixView<float> w = weights_;
    threads.for_each(rows_, [&](std::size_t i, std::size_t) {
      kernels::decode_row(stored, i, w.row(i).data());
      for (std::size_t g = 0; g < cols_ / group_; ++g) {
        const auto [least, most] = std::ranges::minmax(w.row(i).subspan(g * group_, group_));
        low_[group_at(i, g)] = std::min(least, 0.0F);
        high_[group_at(i, g)] = std::max(most, 0.0F);
      }
    });
  }

  [[nodiscard]] MatrixView<const float> weights() const { return weights_; }

  /// What round() makes of them, seen as a matrix of a model.
  [[nodiscard]] pack::StoredMatrix made(const std::string& name) const {
    pack::StoredMatrix one;
    one.name = name;
    one.rows = rows_;
    one.cols = cols_;
    one.data = reinterpret_cast<const std::byte*>(made_.data());
    return one;
  }

  void round() {
    in_groups([&](std::size_t i, std::size_t g, const GroupGrid& grid) {
      const float* w = weights_.data() + i * cols_ + g * group_;
      float* made = made_.data() + i * cols_ + g * group_;
      for (std::size_t j = 0; j < group_; ++j) made[j] = grid.weight(w[j]);
    });
  }

  /// gradient: at the rounded weights, [out, in].
  void learn(MatrixView<const float> gradient, std::size_t step) {
    in_groups([&](std::size_t i, std::size_t g, const GroupGrid& grid) {
      const float* w = weights_.data() + i * cols_ + g * group_;
      float by_scale = 0;
      for (std::size_t j = 0; j < group_; ++j) by_scale += gradient(i, g * group_ + j) * grid.by_scale(w[j]);
      const std::size_t at = group_at(i, g);
      const float low = sigmoid(logits_[2 * at]), high = sigmoid(logits_[2 * at + 1]);
      gradient_[2 * at] = -by_scale / grid.top * low_[at] * low * (1 - low);
      gradient_[2 * at + 1] = by_scale / grid.top * high_[at] * high * (1 - high);
    });
    adam_.step(threads_, step, kRate, 0, logits_.size(), gradient_, logits_);
  }

  [[nodiscard]] bool is_finite() const {
    return std::ranges::all_of(logits_, [](float one) { return std::isfinite(one); });
  }

  [[nodiscard]] Fitted fitted() {
    Fitted made(rows_, cols_, rules_.bits, group_);
    in_groups([&](std::size_t i, std::size_t g, const GroupGrid& grid) {
      made.scales[group_at(i, g)] = grid.scale;
      made.zeros[group_at(i, g)] = grid.zero;
      for (std::size_t j = g * group_; j < (g + 1) * group_; ++j)
        made.codes[i * cols_ + j] = static_cast<std::uint8_t>(grid.code(weights_.data()[i * cols_ + j]));
    });
    return made;
  }

 private:
  [[nodiscard]] std::size_t group_at(std::size_t i, std::size_t g) const { return i * (cols_ / group_) + g; }

  [[nodiscard]] GroupGrid grid_of(std::size_t at) const {
    const float top = rules_.top();
    const float low = sigmoid(logits_[2 * at]) * low_[at], high = sigmoid(logits_[2 * at + 1]) * high_[at];
    float scale = storable(rules_, (high - low) / top);
    if (!(scale > 0)) scale = f16_to_float(1);  // all weights 0, or next to it
    return {scale, std::clamp(std::round(-low / scale), 0.0F, top), top};
  }

  template <class Step>
  void in_groups(const Step& step) {
    threads_.for_each(rows_, [&](std::size_t i, std::size_t) {
      for (std::size_t g = 0; g < cols_ / group_; ++g) step(i, g, grid_of(group_at(i, g)));
    });
  }

  Threads& threads_;
  std::size_t rows_, cols_;
  GridRules rules_;
  std::size_t group_;
  MatrixView<float> weights_, made_;      // [out, in]
  std::vector<float> low_, high_;         // extremes of groups, 0 among them
  std::vector<float> logits_, gradient_;  // of a group side by side: low, high
  tune::Adam adam_;
};

using ClippedLinears = std::array<std::unique_ptr<ClippedLinear>, model::kLinearsPerLayer>;

/// Moves the clippings of each linear as soon as its gradient is there: nothing later in the step reads its weights,
/// which change at the next round().
class Learner : public tune::GradientObserver {
 public:
  Learner(Threads& threads, ClippedLinears& linears, ClippingScratch& scratch)
      : threads_(threads), linears_(linears), scratch_(scratch) {}

  void linear(LinearKind kind, MatrixView<const float> input, MatrixView<const float> d_output) override {
    const MatrixView<float> gradient = scratch_.gradient.matrix(d_output.cols(), input.cols());
    tune::weight_gradient(threads_, input, d_output, scratch_.products, gradient);
    linears_[static_cast<std::size_t>(kind)]->learn(gradient, step);
  }
  void norm(model::Role /*role*/, std::span<const float> /*gradient*/) override {}

  std::size_t step = 0;

 private:
  Threads& threads_;
  ClippedLinears& linears_;
  ClippingScratch& scratch_;
};

/// y -= target: the gradient at y of half the squared error, but for a factor that Adam does not see. Returns the mean
/// of its squares.
double subtract(Threads& threads, MatrixView<const float> target, MatrixView<float> y) {
  std::vector<double> of_rows(y.rows());
  threads.for_each(y.rows(), [&](std::size_t t, std::size_t) {
    double sum = 0;
    for (std::size_t j = 0; j < y.cols(); ++j) {
      y(t, j) -= target(t, j);
      sum += static_cast<double>(y(t, j)) * static_cast<double>(y(t, j));
    }
    of_rows[t] = sum;
  });
  double sum = 0;
  for (const double one : of_rows) sum += one;
  return sum / static_cast<double>(y.rows() * y.cols());
}

}  // namespace

Result<QuantizedLayer> learn_clipping(const model::Model& model, std::size_t layer, const LayerWidths& widths,
                                      const Options& options, MatrixView<const float> x, MatrixView<const float> target,
                                      std::size_t window, ClippingScratch& scratch, Threads& threads, Sink& sink) {
  LIEQ_CHECK(x.rows() == target.rows() && x.rows() % window == 0);
  const model::Layer& original = model.layers[layer];
  ClippedLinears linears;
  model::Layer clipped = original;
  for (std::size_t k = 0; k < linears.size(); ++k) {
    const pack::StoredMatrix& weight = original.linears[k].weight;
    LIEQ_TRY(check_options(options, widths[k], weight.cols, weight.name));
    linears[k] = std::make_unique<ClippedLinear>(threads, weight, widths[k], options.group_size, scratch.weights[k],
                                                 scratch.rounded[k]);
    clipped.linears[k].weight = linears[k]->made(weight.name);
  }
  Learner learner(threads, linears, scratch);
  const std::size_t step = chunk_windows(window) * window;  // of Adam
  const tune::TunedLayer tuned(clipped);
  for (std::size_t epoch = 0; epoch < options.clip_epochs; ++epoch) {
    sink.detail("clipping: epochs", epoch, options.clip_epochs);
    for (std::size_t first = 0; first < x.rows(); first += step) {
      LIEQ_TRY(check_cancelled(sink));
      const std::size_t count = std::min(step, x.rows() - first);
      for (const auto& linear : linears) linear->round();
      const MatrixView<float> y = scratch.output.matrix(count, x.cols());
      threads.for_each(count,
                       [&](std::size_t t, std::size_t) { std::ranges::copy(x.row(first + t), y.row(t).begin()); });
      scratch.block.forward(tuned, y);
      if (!std::isfinite(subtract(threads, target.rows(first, count), y)))
        return fail(ErrorCode::kNumerical,
                    fmt::format("layer {}: outputs: found NaN or infinity, expected finite values", layer));
      scratch.block.gradient(tuned, x.rows(first, count), y, learner);
      ++learner.step;
    }
  }
  QuantizedLayer result;
  result.input_layernorm = original.input_layernorm;
  result.post_attention_layernorm = original.post_attention_layernorm;
  for (std::size_t k = 0; k < linears.size(); ++k) {
    result.biases[k] = original.linears[k].bias;
    if (!linears[k]->is_finite())
      return fail(ErrorCode::kNumerical,
                  fmt::format("layer {}: {}: clipping: found NaN or infinity, expected finite values", layer,
                              model::name(model::kLinearKinds[k])));
    Fitted fitted = linears[k]->fitted();
    result.reports[k] = rounding_report(linears[k]->weights(), fitted);
    result.set(model::kLinearKinds[k], to_quantized(fitted, options.grid));
  }
  return result;
}

}  // namespace lieq::quantize
