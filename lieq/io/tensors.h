#pragma once
/// Named tensors inside mapped files: what safetensors and GGUF readers hand to model/.

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/result.h"
#include "lieq/io/mapped_file.h"

namespace lieq::io {

/// One tensor: row-major, last dimension contiguous (Hugging Face order, also for GGUF).
/// The bytes may be misaligned for the element type; their size is proven to be shape x dtype.
struct Tensor {
  std::string name;
  DType type = DType::kF32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> data;
  std::string file;  ///< where it lies, for error messages
};

/// "[49152, 576]"
[[nodiscard]] std::string shape_text(const std::vector<std::size_t>& shape);

/// Tensors with unique names, and the mappings that keep their bytes alive.
class TensorSet {
 public:
  /// Keeps `file` mapped for as long as this lives.
  void keep(MappedFile file) { files_.push_back(std::move(file)); }
  /// The same for what owns bytes in memory.
  void keep(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }
  /// Errors: kInvalidFormat naming both files when the name is there already.
  [[nodiscard]] Result<void> add(Tensor tensor);

  /// nullptr when there is none.
  [[nodiscard]] const Tensor* find(std::string_view name) const;
  /// Marks a tensor about which the files contradict each other. That is no error until somebody needs it.
  void doubt(std::string name, std::string message) { doubts_.emplace(std::move(name), std::move(message)); }
  /// What is wrong with them, by name.
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& doubts() const { return doubts_; }
  [[nodiscard]] const std::map<std::string, Tensor, std::less<>>& all() const { return tensors_; }
  /// MappedFile::unchanged() of all files: the error of the first that was changed.
  [[nodiscard]] Result<void> unchanged() const;
  /// MappedFile::release_pages() of all files.
  void release_pages() const;
  /// Bytes of all mapped files together.
  [[nodiscard]] std::size_t file_bytes() const;

 private:
  std::vector<MappedFile> files_;
  std::vector<std::shared_ptr<const void>> owners_;
  std::map<std::string, Tensor, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> doubts_;
};

}  // namespace lieq::io
