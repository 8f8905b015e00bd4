#include "lieq/pipeline/run_memory.h"

#include <algorithm>
#include <bit>
#include <initializer_list>

#include "lieq/kernels/linear.h"
#include "lieq/model/forward.h"
#include "lieq/quantize/fit.h"
#include "lieq/quantize/streams.h"
#include "lieq/quantize/window_tree.h"

namespace lieq::pipeline {
namespace {

using model::LinearKind;

constexpr double kFloat = 4, kDouble = 8;  // bytes
constexpr double kSlab = kernels::kSlabBytes, kLogitSlice = model::kLogitSliceBytes;

double of(std::size_t n) { return static_cast<double>(n); }

/// Numbers of a token while a block is taken back (tune/block.h).
double adjoint_row(double hidden, double q, double intermediate) { return 14 * hidden + 10 * q + 5 * intermediate; }

/// Sizes of a walk over one layer.
class WalkCount {
 public:
  WalkCount(const model::Model& model, const quantize::Options& options, const WalkSize& size)
      : layer_(model.layers.front()),
        options_(options),
        h_(of(model.config.hidden_size)),
        q_(of(model.config.q_size())),
        kv_(of(model.config.kv_size())),
        m_(of(model.config.intermediate_size)),
        tokens_(of(size.tokens)),
        threads_(of(size.threads)),
        plain_(options.corrected_target) {
    if (size.window == 0) return;
    step_ = of(std::min(size.tokens, quantize::chunk_windows(size.window) * size.window));
    const std::size_t windows = size.tokens / size.window, levels = quantize::WindowTree::levels(size.tokens);
    parts_ = of(std::min(levels + 1, static_cast<std::size_t>(std::bit_width(windows))));
    const std::size_t in_leaf = quantize::WindowTree::leaf_windows(windows, size.window);
    chunk_ = of(std::min(quantize::chunk_windows(size.window), in_leaf) * size.window);
  }

  [[nodiscard]] double peak() const {
    if (options_.method == quantize::Method::kOmniQuant) return clipping();
    double most = 0, finished = 0;
    for (const std::initializer_list<LinearKind> kinds :
         {std::initializer_list<LinearKind>{LinearKind::kQ, LinearKind::kK, LinearKind::kV},
          {LinearKind::kO},
          {LinearKind::kGate, LinearKind::kUp},
          {LinearKind::kDown}}) {
      const Set set = set_of(kinds);
      most = std::max(most, finished + (options_.method == quantize::Method::kRtn
                                            ? (kFloat + coded()) * set.weights
                                            : std::max({gathering(set), factoring(set), fitting(set)})));
      finished += (coded() + kPacked) * set.weights;
    }
    return most + (options_.method == quantize::Method::kRtn ? kSlab : streams());
  }

 private:
  /// Linears that share inputs.
  struct Set {
    double in = 0, weights = 0, largest = 0;  ///< largest: weights of one of them
    bool normed = false;                      ///< they read a norm's output
  };
  static constexpr double kPacked = 0.4;  // bytes of a weight that is packed to run, at most widths

  [[nodiscard]] Set set_of(std::initializer_list<LinearKind> kinds) const {
    Set set;
    for (const LinearKind kind : kinds) {
      const pack::StoredMatrix& w = layer_.linear(kind).weight;
      set.in = of(w.cols);
      set.weights += of(w.rows) * of(w.cols);
      set.largest = std::max(set.largest, of(w.rows) * of(w.cols));
      set.normed = kind != LinearKind::kO && kind != LinearKind::kDown;
    }
    return set;
  }

  /// Bytes of a fitted weight: its code, and its share of scale and zero point.
  [[nodiscard]] double coded() const {
    return 1 + (options_.group_size == 0 ? 0 : 2 * kFloat / of(options_.group_size));
  }
  [[nodiscard]] double cross(const Set& set) const { return plain_ ? kFloat * h_ * set.in : 0; }

  /// The residual streams, the outputs of one half layer, and what a chunk of tokens makes on its way.
  [[nodiscard]] double streams() const {
    const double kept =
        std::max(tokens_ * q_, tokens_ * m_ * kFloat <= of(quantize::kKeptBytes) ? tokens_ * m_ : chunk_ * m_);
    const double widest = std::max({h_, q_, m_});
    const double block = chunk_ * (q_ + 4 * kv_ + m_ + h_), own = chunk_ * (plain_ ? 2 * h_ + 2 * widest : h_ + m_);
    return kFloat * (tokens_ * h_ * (plain_ ? 2 : 1) + kept + block + own) + kSlab;
  }

  /// The streams; a layer's weights in float32, rounded too, with what is learnt of their groups; and a pass of both
  /// ways over a step's tokens with the gradient of one linear's weights.
  [[nodiscard]] double clipping() const {
    double weights = 0, largest = 0;
    for (const LinearKind kind : model::kLinearKinds) {
      const pack::StoredMatrix& w = layer_.linear(kind).weight;
      weights += of(w.rows) * of(w.cols);
      largest = std::max(largest, of(w.rows) * of(w.cols));
    }
    const double group = options_.group_size == 0 ? h_ : of(options_.group_size);
    const double learnt = (2 * kFloat + 10 * kFloat / group) * weights + (coded() + kPacked) * weights;
    return kFloat * 2 * tokens_ * h_ + learnt + kFloat * (largest + step_ * adjoint_row(h_, q_, m_)) + kSlab;
  }

  [[nodiscard]] double gathering(const Set& set) const {
    const double square = (kFloat + parts_ * kFloat / 2) * set.in * set.in + (1 + parts_) * cross(set);
    return square + kFloat * chunk_ * (set.in + (plain_ ? h_ : 0));  // what is turned on its side for the products
  }
  /// While the factor is made: the Hessian, it in double, and the factor in float32.
  [[nodiscard]] double factoring(const Set& set) const {
    return (2 * kFloat + kDouble) * set.in * set.in + cross(set) + kFloat * set.weights;
  }
  [[nodiscard]] double fitting(const Set& set) const {
    const double n = set.in, groups = options_.group_size == 0 ? 1 : n / of(options_.group_size);
    const double rows = of(quantize::kFitRows) * (24 * n + kDouble * groups * groups) * threads_;
    // Gains hold the squares of the codes in float32 and as the system to solve.
    const double gains = options_.refit_gains && set.normed ? (kFloat + kDouble) * n * n + 2 * kFloat * set.largest : 0;
    const bool turns = options_.method == quantize::Method::kAwq || options_.act_order != quantize::ActOrder::kNone;
    const double again = turns ? (2 * kFloat + kDouble) * n * n : 0;  // a second form, scaled or in another order
    const double targets = plain_ || turns ? kFloat * set.weights : 0;
    return 2 * kFloat * n * n + cross(set) + kFloat * set.weights + targets + coded() * set.weights +
           std::max({rows, gains, again});
  }

  const model::Layer& layer_;
  const quantize::Options& options_;
  double h_, q_, kv_, m_, tokens_, threads_, chunk_ = 0, step_ = 0, parts_ = 0;
  bool plain_;
};

/// A slice of logits, or all of them where they are fewer.
double logits_memory(const model::ModelConfig& config, std::size_t rows) {
  return std::min(kLogitSlice, kFloat * of(rows) * of(config.vocab_size));
}

}  // namespace

double base_memory(const model::ModelConfig& config) { return 1e7 + 250 * of(config.vocab_size); }

double blocks_memory(const model::ModelConfig& config, std::size_t rows) {
  const double h = of(config.hidden_size), q = of(config.q_size()), kv = of(config.kv_size());
  return kFloat * of(rows) * (3 * h + 2 * q + 4 * kv + 2 * of(config.intermediate_size)) + kSlab;
}

double pass_memory(const model::ModelConfig& config, std::size_t rows) {
  return blocks_memory(config, rows) + logits_memory(config, rows);
}

double backward_memory(const model::ModelConfig& config, std::size_t tokens) {
  const double h = of(config.hidden_size), layers = of(config.num_hidden_layers);
  const double block = adjoint_row(h, of(config.q_size()), of(config.intermediate_size));
  return kFloat * of(tokens) * (layers * h + block) + 2 * logits_memory(config, tokens);
}

double geometry_memory(const model::ModelConfig& config, const diagnose::GeometryLoad& load, std::size_t threads) {
  const double h = of(config.hidden_size), q = of(config.q_size()), kv = of(config.kv_size());
  const double rows = of(load.batch), longest = of(load.longest);
  const double products = kFloat * of(1 + load.draws) * rows * (q + 2 * kv), random = kFloat * q * h;
  // A thread's matrix in double, its Gram matrix, and the copy that is made tridiagonal.
  const double count = std::min(longest, q), spectrum = kDouble * (longest * q + 2 * count * count);
  return blocks_memory(config, load.batch) + products + random + of(threads) * spectrum;
}

double packed_memory(const model::Model& model) {
  const auto own = [](const pack::StoredMatrix& w) { return w.packed ? of(w.packed->memory()) : 0; };
  double bytes = own(model.embed_tokens);
  if (model.lm_head.packed != model.embed_tokens.packed) bytes += own(model.lm_head);
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears) bytes += own(linear.weight);
  return bytes;
}

double packed_layers_memory(const BitPlan& plan) {
  double weights = 0;
  for (const LayerPlan& layer : plan.layers) weights += static_cast<double>(layer.weights);
  return weights * size_of(plan).true_bits / 8;
}

double walk_memory(const model::Model& model, const quantize::Options& options, const WalkSize& size) {
  return WalkCount(model, options, size).peak();
}

}  // namespace lieq::pipeline
