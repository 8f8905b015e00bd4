#include "lieq/io/tensors.h"

#include <utility>

#include "lieq/base/message.h"

namespace lieq::io {

std::string shape_text(const std::vector<std::size_t>& shape) {
  constexpr std::size_t kShown = 8;  // a hostile file may give thousands of dimensions
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size() && i < kShown; ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  if (shape.size() > kShown) text += ", ... " + std::to_string(shape.size()) + " dimensions";
  return text + "]";
}

Result<void> TensorSet::add(Tensor tensor) {
  const auto there = tensors_.find(tensor.name);
  if (there == tensors_.end()) {
    std::string key = tensor.name;
    tensors_.emplace(std::move(key), std::move(tensor));
    return {};
  }
  const std::string& other = there->second.file;
  const std::string found = other == tensor.file ? "appears twice" : "is also in " + other;
  return fail(ErrorCode::kInvalidFormat,
              tensor.file + ": tensor " + in_quotes(tensor.name) + ": " + found + ", expected once");
}

const Tensor* TensorSet::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

Result<void> TensorSet::unchanged() const {
  for (const MappedFile& file : files_) LIEQ_TRY(file.unchanged());
  return {};
}

void TensorSet::release_pages() const {
  for (const MappedFile& file : files_) file.release_pages();
}

std::size_t TensorSet::file_bytes() const {
  std::size_t total = 0;
  for (const MappedFile& file : files_) total += file.bytes().size();
  return total;
}

}  // namespace lieq::io
