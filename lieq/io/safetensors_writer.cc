#include "lieq/io/safetensors_writer.h"

#include <bit>

#include "lieq/base/check.h"
#include "lieq/base/json.h"

namespace lieq::io {

static_assert(std::endian::native == std::endian::little, "tensor bytes are written as they lie in memory");

std::size_t TensorInfo::bytes() const {
  std::size_t count = block_bytes(type);
  for (const std::size_t n : shape) count *= n;
  return count;
}

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& file, std::vector<TensorInfo> tensors,
                                                    const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  header["__metadata__"]["format"] = "pt";
  std::size_t offset = 0;
  for (const TensorInfo& tensor : tensors) {
    LIEQ_CHECK(!header.contains(tensor.name) && block_elements(tensor.type) == 1);
    header[tensor.name] = {
        {"dtype", name(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  LIEQ_ASSIGN(AtomicFile out, AtomicFile::create(file));
  LIEQ_TRY(out.append({reinterpret_cast<const char*>(&length), sizeof length}));
  LIEQ_TRY(out.append(text));
  return SafetensorsWriter(std::move(out), std::move(tensors));
}

Result<void> SafetensorsWriter::write(std::string_view name, const void* data, std::size_t bytes) {
  LIEQ_CHECK(next_ < tensors_.size() && tensors_[next_].name == name && tensors_[next_].bytes() == bytes);
  ++next_;
  return file_.append({static_cast<const char*>(data), bytes});
}

Result<void> SafetensorsWriter::finish() && {
  LIEQ_CHECK(next_ == tensors_.size());
  return std::move(file_).commit();
}

}  // namespace lieq::io
