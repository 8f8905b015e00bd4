#include "lieq/tune/block.h"

#include <algorithm>
#include <cmath>

#include "lieq/kernels/elementwise.h"
#include "lieq/tune/elementwise.h"

namespace lieq::tune {
namespace {

using model::LinearKind;
using model::Role;

void fill_zero(Threads& threads, MatrixView<float> x) {
  threads.for_each(x.rows(), [&](std::size_t t, std::size_t) { std::ranges::fill(x.row(t), 0.0F); });
}

void copy_rows(Threads& threads, MatrixView<const float> source, MatrixView<float> target) {
  threads.for_each(source.rows(),
                   [&](std::size_t t, std::size_t) { std::ranges::copy(source.row(t), target.row(t).begin()); });
}

void add_rows(Threads& threads, MatrixView<const float> y, MatrixView<float> x) {
  threads.for_each(x.rows(), [&](std::size_t t, std::size_t) { kernels::add(x.row(t), y.row(t)); });
}

/// Negates the second half of each pair's numbers: around a rotation it makes the inverse one.
void reflect(std::span<float> head) {
  for (std::size_t j = head.size() / 2; j < head.size(); ++j) head[j] = -head[j];
}

}  // namespace

TunedLayer::TunedLayer(const model::Layer& original)
    : layer(&original),
      input_layernorm(original.input_layernorm),
      post_attention_layernorm(original.post_attention_layernorm) {}

WeightRows TunedLayer::weight(LinearKind kind) const {
  const std::span<const float> scaled = factors[static_cast<std::size_t>(kind)];
  const pack::StoredMatrix& stored = layer->linear(kind).weight;
  return scaled.empty() ? rows_of(stored) : scaled_rows_of(*stored.packed, scaled);
}

Block::Block(const model::ModelConfig& config, std::size_t length, Threads& threads)
    : config_(&config),
      length_(length),
      threads_(&threads),
      rope_(model::inverse_frequencies(config.rope, config.head_dim, length),
            static_cast<float>(config.rope.attention_factor)) {
  rope_.cover(0, length);
}

AttentionShape Block::shape() const {
  return {config_->num_attention_heads, config_->num_key_value_heads, config_->head_dim, length_,
          1 / std::sqrt(static_cast<float>(config_->head_dim))};
}

void Block::norm_rows(MatrixView<const float> x, std::span<const float> weight, MatrixView<float> y) {
  threads_->for_each(x.rows(),
                     [&](std::size_t t, std::size_t) { kernels::rms_norm(x.row(t), weight, epsilon(), y.row(t)); });
}

void Block::linear(const TunedLayer& layer, LinearKind kind, MatrixView<const float> x, MatrixView<float> y) {
  product(*threads_, layer.weight(kind), layer.layer->linear(kind).bias, x, products_, y);
}

void Block::linear_part(const TunedLayer& layer, LinearKind kind, MatrixView<const float> dy, MatrixView<float> dx) {
  add_input_gradient(*threads_, layer.weight(kind), dy, products_, dx);
}

/// Normalises and rotates every head of every row.
void Block::rotate(std::span<const float> norm, MatrixView<float> rows) const {
  threads_->for_each(rows.rows(), [&](std::size_t t, std::size_t) {
    for (std::size_t first = 0; first < rows.cols(); first += config_->head_dim) {
      const std::span<float> head = rows.row(t).subspan(first, config_->head_dim);
      if (!norm.empty()) kernels::rms_norm(head, norm, epsilon(), head);
      rope_.rotate(head, t % length_);
    }
  });
}

/// The adjoint of a rotation R(a), its factor included: R(-a) = F R(a) F, F the reflection.
void Block::rotate_back(MatrixView<float> rows) const {
  threads_->for_each(rows.rows(), [&](std::size_t t, std::size_t) {
    for (std::size_t first = 0; first < rows.cols(); first += config_->head_dim) {
      const std::span<float> head = rows.row(t).subspan(first, config_->head_dim);
      reflect(head);
      rope_.rotate(head, t % length_);
      reflect(head);
    }
  });
}

/// Fills normed_, q_, k_, v_, attended_ and middle_ (the stream after attention). keep: also raw_q_ and raw_k_.
void Block::run_attention(const TunedLayer& layer, MatrixView<const float> x, bool keep) {
  const std::size_t tokens = x.rows();
  LIEQ_CHECK(tokens % length_ == 0);
  const MatrixView<float> normed = normed_.matrix(tokens, config_->hidden_size);
  const MatrixView<float> q = q_.matrix(tokens, config_->q_size()), k = k_.matrix(tokens, config_->kv_size());
  const MatrixView<float> v = v_.matrix(tokens, config_->kv_size());
  norm_rows(x, layer.input_layernorm, normed);
  linear(layer, LinearKind::kQ, normed, q);
  linear(layer, LinearKind::kK, normed, k);
  linear(layer, LinearKind::kV, normed, v);
  if (keep && !layer.layer->q_norm.empty()) {
    copy_rows(*threads_, q, raw_q_.matrix(tokens, q.cols()));
    copy_rows(*threads_, k, raw_k_.matrix(tokens, k.cols()));
  }
  rotate(layer.layer->q_norm, q);
  rotate(layer.layer->k_norm, k);
  const MatrixView<float> attended = attended_.matrix(tokens, config_->q_size());
  attention(*threads_, shape(), {q, k, v}, attention_, attended);
  const MatrixView<float> middle = middle_.matrix(tokens, config_->hidden_size);
  linear(layer, LinearKind::kO, attended, middle);
  add_rows(*threads_, x, middle);
}

/// Fills normed_, gate_ and up_ from the stream after attention.
void Block::run_mlp(const TunedLayer& layer, MatrixView<const float> x) {
  const MatrixView<float> normed = normed_.matrix(x.rows(), config_->hidden_size);
  norm_rows(x, layer.post_attention_layernorm, normed);
  linear(layer, LinearKind::kGate, normed, gate_.matrix(x.rows(), config_->intermediate_size));
  linear(layer, LinearKind::kUp, normed, up_.matrix(x.rows(), config_->intermediate_size));
}

void Block::forward(const TunedLayer& layer, MatrixView<float> x) {
  run_attention(layer, x, false);
  const MatrixView<float> middle = middle_.matrix(x.rows(), x.cols());
  run_mlp(layer, middle);
  const MatrixView<float> gate = gate_.matrix(x.rows(), config_->intermediate_size);
  const MatrixView<float> up = up_.matrix(x.rows(), config_->intermediate_size);
  threads_->for_each(x.rows(), [&](std::size_t t, std::size_t) { kernels::silu_multiply(gate.row(t), up.row(t)); });
  linear(layer, LinearKind::kDown, gate, x);
  add_rows(*threads_, middle, x);
}

void Block::gradient(const TunedLayer& layer, MatrixView<const float> x, MatrixView<float> dx,
                     GradientObserver& observer) {
  LIEQ_CHECK(dx.rows() == x.rows() && dx.cols() == x.cols());
  run_attention(layer, x, true);
  mlp_part(layer, middle_.matrix(x.rows(), x.cols()), dx, observer);
  attention_part(layer, x, dx, observer);
}

/// x: the stream after attention. dx: the gradient at the block's output, replaced by that at x.
void Block::mlp_part(const TunedLayer& layer, MatrixView<const float> x, MatrixView<float> dx,
                     GradientObserver& observer) {
  const std::size_t tokens = x.rows(), size = config_->intermediate_size;
  run_mlp(layer, x);
  const MatrixView<float> gate = gate_.matrix(tokens, size), up = up_.matrix(tokens, size);
  const MatrixView<float> gated = gated_.matrix(tokens, size);
  fill_zero(*threads_, gated);
  linear_part(layer, LinearKind::kDown, dx, gated);
  threads_->for_each(tokens, [&](std::size_t t, std::size_t) {
    silu_multiply_gradient(gate.row(t), up.row(t), gated.row(t));  // now gate and up are gradients, gated is the value
  });
  observer.linear(LinearKind::kDown, gated, dx);
  const MatrixView<float> normed = normed_.matrix(tokens, config_->hidden_size);
  observer.linear(LinearKind::kGate, normed, gate);
  observer.linear(LinearKind::kUp, normed, up);
  const MatrixView<float> d_normed = d_normed_.matrix(tokens, config_->hidden_size);
  fill_zero(*threads_, d_normed);
  linear_part(layer, LinearKind::kGate, gate, d_normed);
  linear_part(layer, LinearKind::kUp, up, d_normed);
  norm_part(Role::kPostAttentionNorm, x, layer.post_attention_layernorm, d_normed, dx, observer);
}

/// x: what the block read. dx: the gradient at the stream after attention, replaced by that at x.
void Block::attention_part(const TunedLayer& layer, MatrixView<const float> x, MatrixView<float> dx,
                           GradientObserver& observer) {
  const std::size_t tokens = x.rows();
  const MatrixView<float> q = q_.matrix(tokens, config_->q_size()), k = k_.matrix(tokens, config_->kv_size());
  const MatrixView<float> v = v_.matrix(tokens, config_->kv_size());
  observer.linear(LinearKind::kO, attended_.matrix(tokens, config_->q_size()), dx);
  const MatrixView<float> d_attended = d_attended_.matrix(tokens, config_->q_size());
  fill_zero(*threads_, d_attended);
  linear_part(layer, LinearKind::kO, dx, d_attended);
  const MatrixView<float> dq = d_q_.matrix(tokens, q.cols()), dk = d_k_.matrix(tokens, k.cols());
  const MatrixView<float> dv = d_v_.matrix(tokens, v.cols());
  attention_gradient(*threads_, shape(), {q, k, v}, d_attended, attention_, dq, dk, dv);
  rotate_back(dq);
  rotate_back(dk);
  if (!layer.layer->q_norm.empty()) {
    head_norm_part(Role::kQNorm, layer.layer->q_norm, raw_q_.matrix(tokens, q.cols()), dq, observer);
    head_norm_part(Role::kKNorm, layer.layer->k_norm, raw_k_.matrix(tokens, k.cols()), dk, observer);
  }
  const MatrixView<float> normed = normed_.matrix(tokens, config_->hidden_size);
  norm_rows(x, layer.input_layernorm, normed);
  observer.linear(LinearKind::kQ, normed, dq);
  observer.linear(LinearKind::kK, normed, dk);
  observer.linear(LinearKind::kV, normed, dv);
  const MatrixView<float> d_normed = d_normed_.matrix(tokens, config_->hidden_size);
  fill_zero(*threads_, d_normed);
  linear_part(layer, LinearKind::kQ, dq, d_normed);
  linear_part(layer, LinearKind::kK, dk, d_normed);
  linear_part(layer, LinearKind::kV, dv, d_normed);
  norm_part(Role::kInputNorm, x, layer.input_layernorm, d_normed, dx, observer);
}

/// dx += the gradient through y = norm(x).
void Block::norm_part(Role role, MatrixView<const float> x, std::span<const float> weight, MatrixView<const float> dy,
                      MatrixView<float> dx, GradientObserver& observer) {
  reciprocals_.resize(x.rows());
  threads_->for_each(x.rows(), [&](std::size_t t, std::size_t) {
    reciprocals_[t] = add_rms_norm_gradient(x.row(t), weight, epsilon(), dy.row(t), dx.row(t));
  });
  constexpr std::size_t kTile = 64;
  std::vector<float> gradient(weight.size());
  threads_->for_each((weight.size() + kTile - 1) / kTile, [&](std::size_t tile, std::size_t) {
    const std::size_t begin = tile * kTile, count = std::min(kTile, weight.size() - begin);
    double sums[kTile] = {};
    for (std::size_t t = 0; t < x.rows(); ++t)
      for (std::size_t j = 0; j < count; ++j)
        sums[j] += static_cast<double>(dy(t, begin + j) * x(t, begin + j) * reciprocals_[t]);
    for (std::size_t j = 0; j < count; ++j) gradient[begin + j] = static_cast<float>(sums[j]);
  });
  observer.norm(role, gradient);
}

/// The same for the norm of every head. before: what it read; rows: the gradient behind it, replaced by that before.
void Block::head_norm_part(Role role, std::span<const float> norm, MatrixView<const float> before,
                           MatrixView<float> rows, GradientObserver& observer) {
  // Heads are rows of a norm of their own.
  const std::size_t heads = rows.rows() * rows.cols() / norm.size();
  const MatrixView<const float> x(before.data(), heads, norm.size());
  const MatrixView<float> d_out(rows.data(), heads, norm.size()), d_in = d_head_.matrix(heads, norm.size());
  fill_zero(*threads_, d_in);
  norm_part(role, x, norm, d_out, d_in, observer);
  copy_rows(*threads_, d_in, d_out);
}

}  // namespace lieq::tune
