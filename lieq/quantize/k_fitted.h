#pragma once
/// A matrix on a K grid while it is being fitted: the numbers of its blocks, before they are packed into bytes.

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "lieq/pack/k_blocks.h"
#include "lieq/quantize/fitted.h"

namespace lieq::quantize {

/// weight = step * code - minimum, step and minimum of its sub-block: integers times the block's d and dmin.
struct KFitted {
  pack::KForm form;
  std::size_t rows = 0, cols = 0;     ///< whole blocks a row
  std::vector<std::uint8_t> codes;    ///< [rows, cols]
  std::vector<std::int8_t> scales;    ///< [rows, sub_blocks]
  std::vector<std::uint8_t> minima;   ///< [rows, sub_blocks]; 0 where the form has none
  std::vector<float> d, dmin;         ///< [rows, blocks], half-precision numbers

  KFitted() = default;
  KFitted(const pack::KForm& block_form, std::size_t out, std::size_t in);

  [[nodiscard]] std::size_t blocks() const { return cols / pack::kBlockWeights; }
  [[nodiscard]] std::size_t sub_blocks() const { return cols / form.sub_size; }
  /// As the decoders compute it, bit for bit.
  [[nodiscard]] float weight(std::size_t i, std::size_t j) const;
};

[[nodiscard]] pack::BlockMatrix to_blocks(const KFitted& fitted);

/// What a fit gives: groups of a row (Grid::kSym ... kHalf) or blocks (Grid::kK).
using AnyFitted = std::variant<Fitted, KFitted>;

/// Row i as float32. target: [cols].
void decode_row(const AnyFitted& fitted, std::size_t i, float* target);

/// As it is stored: to_quantized() or to_blocks().
using QuantizedLinear = std::variant<pack::QuantizedMatrix, pack::BlockMatrix>;
[[nodiscard]] QuantizedLinear to_linear(const AnyFitted& fitted, Grid grid);

/// tr(E H Eᵀ) as for Fitted.
[[nodiscard]] double quadratic_loss(Threads& threads, MatrixView<const float> target, const AnyFitted& fitted,
                                    MatrixView<const float> hessian);
/// The part of each row in it.
[[nodiscard]] std::vector<double> row_losses(Threads& threads, MatrixView<const float> target, const AnyFitted& fitted,
                                             MatrixView<const float> hessian);

}  // namespace lieq::quantize
