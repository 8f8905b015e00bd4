#pragma once
/// Golden arrays of ../shared, and the skip that says what is missing.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/base/json.h"
#include "lieq/base/view.h"
#include "lieq/io/safetensors.h"
#include "tests/support/paths.h"

namespace lieq::test {

inline std::filesystem::path shared() { return shared_dir(); }

/// Skips the running test when the shared folder is not beside the repository.
#define LIEQ_NEEDS_SHARED(path)                            \
  if (!std::filesystem::exists(::lieq::test::shared() / (path))) \
  GTEST_SKIP() << "needs " << (::lieq::test::shared() / (path)).string() << ", which is not there"

/// The value of a Result, or a test failure with its message.
template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().message;
    throw std::runtime_error(result.error().message);
  }
  return std::move(result).value();
}

/// A golden .safetensors file with arrays copied out as a plain type.
class GoldenArrays {
 public:
  explicit GoldenArrays(const std::filesystem::path& file) : tensors_(must(io::open_safetensors(file))) {}

  [[nodiscard]] bool has(const std::string& name) const { return tensors_.find(name) != nullptr; }
  [[nodiscard]] const std::vector<std::size_t>& shape(const std::string& name) const { return tensor(name).shape; }
  template <class T>
  [[nodiscard]] std::vector<T> get(const std::string& name) const {
    const io::Tensor& found = tensor(name);
    if (found.data.size() % sizeof(T) != 0 || block_bytes(found.type) != sizeof(T))
      throw std::runtime_error(name + ": element size");
    std::vector<T> values(found.data.size() / sizeof(T));
    std::memcpy(values.data(), found.data.data(), found.data.size());
    return values;
  }

 private:
  [[nodiscard]] const io::Tensor& tensor(const std::string& name) const {
    const io::Tensor* found = tensors_.find(name);
    if (!found) throw std::runtime_error("golden array " + name + " is missing");
    return *found;
  }
  io::TensorSet tensors_;
};

/// An owned row-major matrix.
struct Matrix {
  std::vector<float> values;
  std::size_t rows, cols;
  Matrix(std::size_t r, std::size_t c) : values(r * c), rows(r), cols(c) {}
  MatrixView<float> view() { return {values.data(), rows, cols}; }
};

}  // namespace lieq::test
