#pragma once
/// One transformer block as a chain of steps, each callable alone: quantisation fits a linear to its inputs, then goes
/// on from there, without running the block again from its start.
///
///   normed   = input_layernorm(x)                      norm_rows(layer.input_layernorm)
///   attended = attention(q(normed), k(normed), v(normed))    attend
///   x       += o_proj(attended)                        add_linear(kO)
///   normed   = post_attention_layernorm(x)             norm_rows(layer.post_attention_layernorm)
///   gated    = silu(gate(normed)) * up(normed)         mlp_gate
///   x       += down_proj(gated)                        add_linear(kDown)

#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/attention.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/linear.h"
#include "lieq/kernels/rope.h"
#include "lieq/model/kv_cache.h"
#include "lieq/model/model.h"

namespace lieq::model {

inline constexpr std::size_t kNoParent = static_cast<std::size_t>(-1);

/// One sequence of a batch: `tokens` new tokens, at positions cache->length() on, or behind its parent's, or from 0.
struct SequenceSpan {
  std::size_t tokens = 0;
  KvCache* cache = nullptr;
  /// Number of an earlier sequence of the same batch that this one continues: texts with a common beginning run it
  /// once. Neither of the two has a cache. Parents may have parents, and several children.
  std::size_t parent = kNoParent;
};

/// Scratch of the steps: run state, owned by the caller. Grows to the largest batch seen.
class BlockState {
 public:
  /// `config` and `threads` must outlive this.
  BlockState(const ModelConfig& config, Threads& threads, kernels::Arithmetic arithmetic);

  [[nodiscard]] const ModelConfig& config() const { return *config_; }
  [[nodiscard]] Threads& threads() const { return *threads_; }

  /// y = x weightᵀ + bias. x: [tokens, in], y: [tokens, out].
  void apply(const Linear& linear, MatrixView<const float> x, MatrixView<float> y);

  /// attended: [tokens, num_attention_heads x head_dim]; normed: [tokens, hidden_size].
  /// With a cache, keys and values are written behind its length under number `layer_index`.
  void attend(const Layer& layer, std::size_t layer_index, std::span<const SequenceSpan> sequences,
              MatrixView<const float> normed, MatrixView<float> attended);

  /// gated: [tokens, intermediate_size]; normed: [tokens, hidden_size].
  void mlp_gate(const Layer& layer, MatrixView<const float> normed, MatrixView<float> gated);

  /// x += linear(input). x: [tokens, out].
  void add_linear(const Linear& linear, MatrixView<const float> input, MatrixView<float> x);

 private:
  /// Which sequence a row of the batch belongs to, its position there, and how it is rotated.
  struct Row {
    std::size_t sequence, position;
    const kernels::RopeTable* rope;
  };

  void place_sequences(std::size_t layer_index, std::span<const SequenceSpan> sequences);
  void store_ancestors(std::span<const SequenceSpan> sequences, MatrixView<const float> k, MatrixView<const float> v);
  void choose_rotations(std::span<const SequenceSpan> sequences);
  void prepare_heads(std::span<const float> norm, const Row& place, std::span<float> row) const;

  const ModelConfig* config_;
  Threads* threads_;
  kernels::Arithmetic arithmetic_;
  std::map<std::size_t, kernels::RopeTable> ropes_;  // by RopeConfig::length_key
  kernels::LinearScratch linear_;
  kernels::AttentionScratch attention_;
  std::vector<kernels::AttentionSequence> sequences_;
  std::vector<kernels::KeyValues> pages_;  // of all sequences with a cache
  std::vector<Row> rows_;
  kernels::Buffer<float> q_, k_, v_, up_, delta_;
  kernels::Buffer<float> keys_, values_;  // of sequences without a cache
};

/// y[t] = RMSNorm of x[t] with `weight` and the model's epsilon. x, y: [tokens, hidden_size]; y may be x.
void norm_rows(const ModelConfig& config, Threads& threads, MatrixView<const float> x, std::span<const float> weight,
               MatrixView<float> y);

}  // namespace lieq::model
