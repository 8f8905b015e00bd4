#include "lieq/save/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "lieq/base/check.h"

namespace lieq::save {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

/// ggml's numbers of value types.
enum ValueType : std::uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& bytes, std::string_view text) {
  append(bytes, std::uint64_t{text.size()});
  bytes.append(text);
}

template <class T>
std::string array_of(ValueType type, const std::vector<T>& values) {
  std::string bytes;
  append(bytes, static_cast<std::uint32_t>(type));
  append(bytes, std::uint64_t{values.size()});
  for (const T& value : values) append(bytes, value);
  return bytes;
}

std::size_t padding(std::size_t size) {
  return (GgufWriter::kAlignment - size % GgufWriter::kAlignment) % GgufWriter::kAlignment;
}

}  // namespace

void GgufFields::put(std::string_view key, std::uint32_t type, std::string value) {
  const auto there = std::ranges::find(fields_, key, &Field::key);
  if (there == fields_.end()) {
    fields_.push_back({std::string(key), type, std::move(value)});
  } else {
    *there = {std::string(key), type, std::move(value)};
  }
}

void GgufFields::add(std::string_view key, std::string_view value) {
  std::string bytes;
  append_text(bytes, value);
  put(key, kString, std::move(bytes));
}

void GgufFields::add(std::string_view key, bool value) { put(key, kBool, std::string(1, value ? '\1' : '\0')); }

void GgufFields::add(std::string_view key, std::uint32_t value) {
  std::string bytes;
  append(bytes, value);
  put(key, kU32, std::move(bytes));
}

void GgufFields::add(std::string_view key, float value) {
  std::string bytes;
  append(bytes, value);
  put(key, kF32, std::move(bytes));
}

void GgufFields::add(std::string_view key, const std::vector<std::string>& values) {
  std::string bytes;
  append(bytes, static_cast<std::uint32_t>(kString));
  append(bytes, std::uint64_t{values.size()});
  for (const std::string& value : values) append_text(bytes, value);
  put(key, kArray, std::move(bytes));
}

void GgufFields::add(std::string_view key, const std::vector<std::int32_t>& values) {
  put(key, kArray, array_of(kI32, values));
}

void GgufFields::add(std::string_view key, const std::vector<float>& values) {
  put(key, kArray, array_of(kF32, values));
}

void GgufFields::add(const io::GgufKey& key) {
  put(key.name, key.type, std::string(reinterpret_cast<const char*>(key.value.data()), key.value.size()));
}

void GgufFields::remove(std::string_view key) {
  std::erase_if(fields_, [&](const Field& field) { return field.key == key; });
}

bool GgufFields::contains(std::string_view key) const {
  return std::ranges::find(fields_, key, &Field::key) != fields_.end();
}

std::string GgufFields::bytes() const {
  std::string bytes;
  for (const Field& field : fields_) {
    append_text(bytes, field.key);
    append(bytes, field.type);
    bytes += field.value;
  }
  return bytes;
}

std::size_t GgufTensor::bytes() const {
  const std::size_t elements = std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
  const auto size = bytes_of(type, elements);
  LIEQ_CHECK(size && shape.back() % block_elements(type) == 0);
  return *size;
}

Result<GgufWriter> GgufWriter::create(const std::filesystem::path& file, const GgufFields& fields,
                                      std::vector<GgufTensor> tensors) {
  constexpr std::uint32_t kVersion = 3;
  std::string head = "GGUF";
  append(head, kVersion);
  append(head, std::uint64_t{tensors.size()});
  append(head, std::uint64_t{fields.size()});
  head += fields.bytes();
  std::uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    const auto type = io::ggml_type(tensor.type);
    LIEQ_CHECK(type && tensor.name.size() < 64);
    append_text(head, tensor.name);
    append(head, narrow<std::uint32_t>(tensor.shape.size()));
    for (std::size_t i = tensor.shape.size(); i-- > 0;) append(head, std::uint64_t{tensor.shape[i]});
    append(head, *type);
    append(head, offset);
    offset += tensor.bytes() + padding(tensor.bytes());
  }
  head.append(padding(head.size()), '\0');
  LIEQ_ASSIGN(io::AtomicFile target, io::AtomicFile::create(file));
  LIEQ_TRY(target.append(head));
  return GgufWriter(std::move(target), std::move(tensors));
}

Result<void> GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  LIEQ_CHECK(next_ < tensors_.size() && tensors_[next_].name == name);
  const std::size_t size = tensors_[next_].bytes();
  LIEQ_CHECK(bytes.size() <= size - written_);
  LIEQ_TRY(file_.append({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  written_ += bytes.size();
  if (written_ < size) return {};
  ++next_;
  written_ = 0;
  return file_.append(std::string(padding(size), '\0'));
}

Result<void> GgufWriter::finish() && {
  LIEQ_CHECK(next_ == tensors_.size());
  return std::move(file_).commit();
}

}  // namespace lieq::save
