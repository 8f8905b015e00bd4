#pragma once
/// Embedding and head at four bits: the linears' machinery on the rows of the head.

#include <cstddef>
#include <functional>
#include <span>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/model/model.h"
#include "lieq/pack/quantized_matrix.h"

namespace lieq::quantize {

/// Groups of Q4_0's size.
inline constexpr std::size_t kHeadGroup = 32;
/// Rows that are fitted at a time: a head of 150,000 rows never exists whole in float32.
inline constexpr std::size_t kHeadRows = 8192;
/// Added to the Hessian of the head's inputs, as a fraction of its mean diagonal, where the embedding is the same
/// matrix: that is read row by row, so errors there count alike in all columns.
inline constexpr double kHeadDamping = 0.01, kTiedHeadDamping = 0.1;

/// `weight`, [vocab_size, hidden_size], to 4 bits on Grid::kSkew in groups of 32: GPTQ and two sweeps of descent by the
/// Hessian of what the head of `model` reads over the text. take: gets rows [first, first + rows of the matrix), in
/// order. ids: windows of `window` tokens, a last partial one is left out.
/// Cost: a forward pass of the tokens without head, and about 14 · vocab_size · hidden_size² flops. Bitwise the same
/// for any number of threads. Errors: kNumerical (a Hessian that is not finite), kCancelled.
[[nodiscard]] Result<void> fit_head(const model::Model& model, const pack::StoredMatrix& weight,
                                    std::span<const model::TokenId> ids, std::size_t window, double damping,
                                    Threads& threads, Sink& sink,
                                    const std::function<void(std::size_t first, pack::QuantizedMatrix rows)>& take);

}  // namespace lieq::quantize
