#pragma once
/// Products of packed weights with float32 inputs (internal to kernels/; linear.h is the way in). Weights are decoded a
/// few hundred inputs of one block of rows at a time, into the first-level cache, to exactly the values of
/// dequantize_row().

#include <cstddef>
#include <span>

#include "lieq/base/view.h"
#include "lieq/pack/packed_matrix.h"

namespace lieq::kernels {

/// Row blocks that are decoded together.
inline constexpr std::size_t kFloatItemBlocks = 4;

/// Some blocks of rows of one product.
struct FloatProduct {
  const pack::PackedMatrix* weight;
  MatrixView<const float> x;    ///< [tokens, in], in the order of weight->order()
  std::span<const float> bias;  ///< [out] or empty
  MatrixView<float> y;          ///< [tokens, out]
  std::size_t first_block, blocks, first_token, tokens;
};

/// Writes y for these blocks and tokens, on the calling thread. A token's result depends on nothing but the token and the
/// weights. An output is off the exact product of the decoded weights by at most the rounding of in + 1 float32 additions
/// and as many products.
void multiply_f32(const FloatProduct& product);

/// Decodes the rows of one block. rows: [16, in], of which those beyond the matrix's rows are left out.
void decode_block(const pack::PackedMatrix& weight, std::size_t block, MatrixView<float> rows);

}  // namespace lieq::kernels
