#pragma once
/// Scratch memory that grows and is never shrunk or zeroed.

#include <cstddef>
#include <memory>
#include <new>

#include "lieq/base/view.h"

namespace lieq::kernels {

/// `count` uninitialised elements, aligned for every vector type. Growing loses the contents.
template <class T>
class Buffer {
 public:
  T* reserve(std::size_t count) {
    if (count > capacity_) {
      data_.reset(static_cast<T*>(::operator new(count * sizeof(T), kAlignment)));
      capacity_ = count;
    }
    return data_.get();
  }
  /// What was reserved last; null before.
  [[nodiscard]] T* data() const { return data_.get(); }
  MatrixView<T> matrix(std::size_t rows, std::size_t cols) { return {reserve(rows * cols), rows, cols}; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(T* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<T, Delete> data_;
  std::size_t capacity_ = 0;
};

}  // namespace lieq::kernels
