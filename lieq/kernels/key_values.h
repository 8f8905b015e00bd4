#pragma once
/// Keys and values of one sequence in one layer, laid out as the right-hand sides of attention's two products:
/// panels of 16 columns, one behind the other.
///
///   keys    [kv head][token / 16][head_dim][16 tokens]
///   values  [kv head][head_dim / 16, rounded up][capacity][16 features]

#include <cstddef>

#include "lieq/base/dtype.h"
#include "lieq/base/view.h"

namespace lieq::kernels {

inline constexpr std::size_t kPanel = 16;

/// Attention sums over so many keys at a time; memory for keys and values that grows does so by as much.
inline constexpr std::size_t kPageTokens = 128;

[[nodiscard]] constexpr std::size_t round_up_to_panel(std::size_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

/// A view; nothing is owned. What lies behind the last token is never read as a number that matters.
struct KeyValues {
  DType type = DType::kF32;   ///< kF32, or kF16 for half the memory and traffic
  std::size_t heads = 0, head_dim = 0;
  std::size_t capacity = 0;   ///< tokens there is room for, a multiple of kPanel
  void* keys = nullptr;       ///< `elements()` of them, aligned to 64 bytes
  void* values = nullptr;

  /// Elements of the keys, and as many of the values.
  [[nodiscard]] std::size_t elements() const { return heads * capacity * round_up_to_panel(head_dim); }
};

/// Writes the rows of k and v, [tokens, heads x head_dim], at positions `first` and on.
/// Half precision rounds to the nearest; what lies beyond its range becomes its largest number, NaN stays NaN.
/// Rows whose positions differ in position / kPanel may be written by different threads at once without false sharing.
void store_key_values(const KeyValues& target, std::size_t first, MatrixView<const float> k, MatrixView<const float> v);

}  // namespace lieq::kernels
