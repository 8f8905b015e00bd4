#pragma once
/// Writes one safetensors file tensor by tensor, so that a model never has to be in memory whole.

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/result.h"
#include "lieq/io/atomic_file.h"

namespace lieq::io {

/// What the header says of one tensor. Row-major.
struct TensorInfo {
  std::string name;
  DType type = DType::kF32;  ///< an element type, not a block type
  std::vector<std::size_t> shape;

  [[nodiscard]] std::size_t bytes() const;
};

/// create -> write (once per tensor, in the order given) -> finish. Without finish the target stays as it was.
class SafetensorsWriter {
 public:
  /// The header ends on a multiple of 8 bytes; metadata always has "format": "pt", which transformers asks for.
  /// Errors: kIo.
  [[nodiscard]] static Result<SafetensorsWriter> create(const std::filesystem::path& file,
                                                        std::vector<TensorInfo> tensors,
                                                        const std::map<std::string, std::string>& metadata = {});
  /// `data` are the bytes of the next tensor. Errors: kIo.
  [[nodiscard]] Result<void> write(std::string_view name, const void* data, std::size_t bytes);
  [[nodiscard]] Result<void> finish() &&;

 private:
  SafetensorsWriter(AtomicFile file, std::vector<TensorInfo> tensors)
      : file_(std::move(file)), tensors_(std::move(tensors)) {}
  AtomicFile file_;
  std::vector<TensorInfo> tensors_;
  std::size_t next_ = 0;
};

}  // namespace lieq::io
