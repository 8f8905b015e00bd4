#pragma once
/// Which rows of the linears that are fitted together each rank fits.

#include <cstddef>
#include <span>
#include <vector>

#include "lieq/base/ranks.h"
#include "lieq/base/view.h"
#include "lieq/quantize/k_fitted.h"

namespace lieq::quantize {

/// Runs of whole tiles through all linears, one run a rank. Fits and products cut rows into tiles that divide these, so
/// that a row's result does not depend on the number of ranks.
class RowShares {
 public:
  static constexpr std::size_t kTile = 96;

  /// shared: false gives all rows to every rank.
  RowShares(Ranks& ranks, std::span<const MatrixView<const float>> weights, bool shared);

  /// Rows of linear k that this rank fits; perhaps none.
  [[nodiscard]] Share own(std::size_t k) const { return of(k, ranks_.rank()); }
  [[nodiscard]] MatrixView<const float> own(std::size_t k, MatrixView<const float> weight) const {
    return weight.rows(own(k).first, own(k).count());
  }

  /// values: as many for every `rows_each` rows of linear k, those of this rank's rows filled in; becomes whole.
  template <class T>
  void gather(std::size_t k, std::vector<T>& values, std::size_t rows_each = 1) const {
    gather_bytes(k, std::as_writable_bytes(std::span(values)), rows_each);
  }
  /// The whole of linear k from what was fitted to own(k).
  [[nodiscard]] AnyFitted gather(std::size_t k, AnyFitted own_rows) const;
  /// The sum over all rows of linear k, in order. own_rows: a value for each row of own(k).
  [[nodiscard]] double sum(std::size_t k, const std::vector<double>& own_rows) const;

 private:
  [[nodiscard]] Share of(std::size_t k, std::size_t rank) const;
  void gather_bytes(std::size_t k, std::span<std::byte> bytes, std::size_t rows_each) const;
  template <class T>
  void put(std::size_t k, const std::vector<T>& part, std::vector<T>& whole) const;

  Ranks& ranks_;
  bool shared_;
  std::vector<std::size_t> rows_, first_tile_;  // of each linear; first_tile_ has one more
};

}  // namespace lieq::quantize
