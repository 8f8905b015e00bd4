#pragma once
/// Products of packed weights with inputs rounded to 8 bits (internal to kernels/; linear.h is the way in).
///
/// Inputs are cut as the weights' groups are, and groups of more than 64 inputs into pieces of 64. Of each piece of a
/// token:
///   scale = max |x| / 127,  q = round(x / scale),  half_sum = scale / 2 · Σ q
/// and a piece adds to the output
///   weight_scale · (scale · Σ code · q  -  double_zero · half_sum),
/// the inner sum in integers, exact. Where weights have minima, zero points are 0 and a piece also adds
///   minimum · 2 half_sum.
/// A token's result depends on nothing but the token and the weights.

#include <cstddef>
#include <cstdint>
#include <span>

#include "lieq/base/threads.h"
#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/pack/packed_matrix.h"

namespace lieq::kernels {

/// Inputs of one product, rounded. Pieces are padded with zeros to whole units of 32, unless two share a unit.
struct Int8Inputs {
  static constexpr std::size_t kUnit = pack::PackedMatrix::kUnitInputs, kPiece = 2 * kUnit;

  std::size_t tokens = 0, stride = 0, pieces = 0;
  Buffer<std::int8_t> codes;        // [tokens, stride]
  Buffer<float> scales, half_sums;  // [tokens, pieces]
};

/// Places that a piece of `count` inputs takes.
[[nodiscard]] inline std::size_t padded_inputs(const pack::PackedMatrix& weight, std::size_t count) {
  return weight.is_paired() ? count : (count + Int8Inputs::kUnit - 1) / Int8Inputs::kUnit * Int8Inputs::kUnit;
}

/// True if inputs rounded for `a` serve `b` as well.
[[nodiscard]] bool same_pieces(const pack::PackedMatrix& a, const pack::PackedMatrix& b);

/// Rounds x: [tokens, in] as the groups of `weight` ask. A piece with NaN or infinity in it makes its outputs NaN; one
/// whose largest magnitude is below 2^-120 counts as zero.
void round_to_int8(Threads& threads, const pack::PackedMatrix& weight, MatrixView<const float> x, Int8Inputs& rounded);

/// Some blocks of rows of one product.
struct Int8Product {
  const pack::PackedMatrix* weight;
  const Int8Inputs* x;
  std::span<const float> bias;  ///< [out] or empty
  MatrixView<float> y;          ///< [tokens, out]
  std::size_t first_block, blocks, first_token, tokens;
};

/// Up to this many tokens, codes are unpacked anew for each pass over the weights; above, once for many tokens.
inline constexpr std::size_t kInt8StreamTokens = 4;

/// Row blocks that are unpacked together for many tokens; a product with more blocks than that wants few tokens.
inline constexpr std::size_t kInt8ItemBlocks = 4;

/// Writes y for these blocks and tokens, on the calling thread.
void multiply_int8(const Int8Product& product);

/// Its parts: for up to kInt8StreamTokens tokens, and for any number.
void multiply_int8_stream(const Int8Product& product);
void multiply_int8_tile(const Int8Product& product);

/// The same in plain loops: what the vector code is tested against, and what a CPU without any vectors runs.
void multiply_int8_reference(const Int8Product& product);

}  // namespace lieq::kernels
