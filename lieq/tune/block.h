#pragma once
/// One transformer block as it is tuned: the forward pass of model/block.h over whole sequences from position 0, and
/// its adjoint. Of a block nothing is kept between the two but its input: the adjoint computes the rest again.
///
/// To add a feature of a new family: its step in forward() and the adjoint of that step in gradient(), and its line out
/// of check_tunable() (check.h). compare_forward() finds what was forgotten.

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/rope.h"
#include "lieq/model/model.h"
#include "lieq/tune/attention.h"
#include "lieq/tune/products.h"

namespace lieq::tune {

/// A layer whose group scales and norm gains differ from those of the model it belongs to. What is pointed to must
/// outlive it.
struct TunedLayer {
  const model::Layer* layer = nullptr;  ///< codes, biases, gains of q and k
  /// What the scales of each linear's groups are multiplied by, [out, groups]; empty: the weights as they are.
  std::array<std::span<const float>, model::kLinearsPerLayer> factors;
  std::span<const float> input_layernorm, post_attention_layernorm;  ///< [hidden_size]

  /// `layer` as it is.
  explicit TunedLayer(const model::Layer& original);
  [[nodiscard]] WeightRows weight(model::LinearKind kind) const;
};

/// What the adjoint of a block finds on its way, from the block's end to its beginning.
class GradientObserver {
 public:
  virtual ~GradientObserver() = default;
  /// Of one linear: what it read, [tokens, in], and the gradient at what it gave, [tokens, out]. The gradient at its
  /// weights is d_outputᵀ input, at its bias the sum over tokens of d_output.
  virtual void linear(model::LinearKind kind, MatrixView<const float> input, MatrixView<const float> d_output) = 0;
  /// Of a norm's weights. role: kInputNorm, kPostAttentionNorm, kQNorm or kKNorm.
  virtual void norm(model::Role role, std::span<const float> gradient) = 0;
};

/// Scratch and rotations; run state, owned by the caller. Grows to the largest batch seen.
class Block {
 public:
  /// Sequences have `length` tokens. config and threads must outlive this.
  Block(const model::ModelConfig& config, std::size_t length, Threads& threads);

  /// x: [tokens, hidden_size], replaced by the block's output; tokens: a multiple of the length.
  void forward(const TunedLayer& layer, MatrixView<float> x);

  /// x: what the block read. dx: the gradient at its output, replaced by that at x. Cost: three forward passes, with
  /// what the observer computes four. Bitwise the same for any number of threads.
  void gradient(const TunedLayer& layer, MatrixView<const float> x, MatrixView<float> dx, GradientObserver& observer);

 private:
  void run_attention(const TunedLayer& layer, MatrixView<const float> x, bool keep);
  void run_mlp(const TunedLayer& layer, MatrixView<const float> x);
  void attention_part(const TunedLayer& layer, MatrixView<const float> x, MatrixView<float> dx,
                      GradientObserver& observer);
  void mlp_part(const TunedLayer& layer, MatrixView<const float> x, MatrixView<float> dx, GradientObserver& observer);
  void norm_rows(MatrixView<const float> x, std::span<const float> weight, MatrixView<float> y);
  void norm_part(model::Role role, MatrixView<const float> x, std::span<const float> weight, MatrixView<const float> dy,
                 MatrixView<float> dx, GradientObserver& observer);
  void rotate(std::span<const float> norm, MatrixView<float> rows) const;
  void rotate_back(MatrixView<float> rows) const;
  void head_norm_part(model::Role role, std::span<const float> norm, MatrixView<const float> before,
                      MatrixView<float> rows, GradientObserver& observer);
  void linear(const TunedLayer& layer, model::LinearKind kind, MatrixView<const float> x, MatrixView<float> y);
  void linear_part(const TunedLayer& layer, model::LinearKind kind, MatrixView<const float> dy, MatrixView<float> dx);
  [[nodiscard]] AttentionShape shape() const;
  [[nodiscard]] float epsilon() const { return static_cast<float>(config_->rms_norm_eps); }

  const model::ModelConfig* config_;
  std::size_t length_;
  Threads* threads_;
  kernels::RopeTable rope_;
  ProductScratch products_;
  AttentionScratch attention_;
  kernels::Buffer<float> normed_, q_, k_, v_, attended_, middle_, gate_, up_, gated_, result_;
  kernels::Buffer<float> raw_q_, raw_k_;  // before their norms
  kernels::Buffer<float> d_normed_, d_attended_, d_q_, d_k_, d_v_, d_head_;
  std::vector<float> reciprocals_;  // of the root mean squares of rows
};

}  // namespace lieq::tune
