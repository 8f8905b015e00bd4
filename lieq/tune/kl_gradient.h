#pragma once
/// KL(original || quantised) of the next token, and its gradient at everything the blocks of the quantised model are
/// made of.

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/model/model.h"
#include "lieq/tune/block.h"
#include "lieq/tune/head.h"

namespace lieq::tune {

/// Walks forward and backward over the blocks; scratch is kept between calls.
class KlGradient {
 public:
  /// Layer l as it is to run.
  using Layers = std::function<TunedLayer(std::size_t l)>;
  /// Called for the last layer first: told of all gradients of layer l while the result lives.
  using Observers = std::function<std::unique_ptr<GradientObserver>(std::size_t l)>;

  /// `original` gives embedding, head and final norm of both models. Sequences have `length` tokens. original and
  /// threads must outlive this.
  KlGradient(const model::Model& original, std::size_t length, Threads& threads);

  /// What the head reads in the original model. tokens: whole sequences; hidden: [tokens, hidden_size], written.
  void run_original(std::span<const model::TokenId> tokens, MatrixView<float> hidden);

  /// Mean KL in nats a position. original: what run_original() gave for these tokens.
  /// Memory: that of one block and of two slices of logits. Errors: kCancelled.
  [[nodiscard]] Result<double> kl(std::span<const model::TokenId> tokens, MatrixView<const float> original,
                                  const Layers& layers, Sink& sink);

  /// The same, and its gradient to the observers. Memory: also the inputs of all blocks, [layers, tokens,
  /// hidden_size]. Bitwise the same for any number of threads. Errors: kCancelled, asked for between blocks.
  [[nodiscard]] Result<double> gradient(std::span<const model::TokenId> tokens, MatrixView<const float> original,
                                        const Layers& layers, const Observers& observers, Sink& sink);

 private:
  [[nodiscard]] MatrixView<float> block_input(std::size_t l, std::size_t tokens);

  const model::Model* original_;
  std::size_t length_;
  Threads* threads_;
  model::RunState state_;  // of the original
  Block block_;
  HeadScratch head_;
  kernels::Buffer<float> inputs_, hidden_, d_hidden_, d_stream_;
};

}  // namespace lieq::tune
