#pragma once
/// Row-major matrix views: a pointer, a shape and a row stride; nothing is owned.

#include <cstddef>
#include <span>
#include <type_traits>

#include "lieq/base/check.h"

namespace lieq {

/// T may be const. `stride` counts elements between the starts of two rows, at least `cols`.
template <class T>
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(T* data, std::size_t rows, std::size_t cols) : MatrixView(data, rows, cols, cols) {}
  MatrixView(T* data, std::size_t rows, std::size_t cols, std::size_t stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {
    LIEQ_CHECK(stride >= cols);
  }

  /// A mutable view reads as a const one.
  operator MatrixView<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {data_, rows_, cols_, stride_};
  }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t cols() const { return cols_; }
  [[nodiscard]] std::size_t stride() const { return stride_; }

  [[nodiscard]] std::span<T> row(std::size_t i) const {
    LIEQ_DCHECK(i < rows_);
    return {data_ + i * stride_, cols_};
  }
  [[nodiscard]] T& operator()(std::size_t i, std::size_t j) const {
    LIEQ_DCHECK(i < rows_ && j < cols_);
    return data_[i * stride_ + j];
  }
  /// Rows [first, first + count).
  [[nodiscard]] MatrixView rows(std::size_t first, std::size_t count) const {
    LIEQ_CHECK(first <= rows_ && count <= rows_ - first);
    return {data_ + first * stride_, count, cols_, stride_};
  }
  /// Columns [first, first + count), same rows.
  [[nodiscard]] MatrixView columns(std::size_t first, std::size_t count) const {
    LIEQ_CHECK(first <= cols_ && count <= cols_ - first);
    return {data_ + first, rows_, count, stride_};
  }

 private:
  T* data_ = nullptr;
  std::size_t rows_ = 0, cols_ = 0, stride_ = 0;
};

}  // namespace lieq
