#pragma once
/// Writes one GGUF file (version 3, little-endian), tensor by tensor, so that a model never is in memory whole.
///
///   GgufFields fields;                       // metadata, in the order of the file
///   fields.add("general.architecture", "llama");
///   LIEQ_ASSIGN(auto writer, GgufWriter::create(file, fields, infos));
///   for each info, in order:  LIEQ_TRY(writer.write(info.name, bytes));   // once, or piece by piece
///   LIEQ_TRY(std::move(writer).finish());

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/result.h"
#include "lieq/io/atomic_file.h"
#include "lieq/io/gguf.h"

namespace lieq::save {

/// Metadata in the order they are written. A key that is there already gets the new value at its old place.
class GgufFields {
 public:
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, bool value);
  void add(std::string_view key, std::uint32_t value);
  void add(std::string_view key, float value);
  void add(std::string_view key, const std::vector<std::string>& values);
  void add(std::string_view key, const std::vector<std::int32_t>& values);
  void add(std::string_view key, const std::vector<float>& values);
  /// As it lies in another file.
  void add(const io::GgufKey& key);
  void remove(std::string_view key);
  [[nodiscard]] bool contains(std::string_view key) const;

  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  /// All of them as they stand in a file.
  [[nodiscard]] std::string bytes() const;

 private:
  struct Field {
    std::string key;
    std::uint32_t type;
    std::string value;
  };
  void put(std::string_view key, std::uint32_t type, std::string value);
  std::vector<Field> fields_;
};

/// What the file says of one tensor.
struct GgufTensor {
  std::string name;                ///< at most 63 bytes
  DType type = DType::kF32;        ///< one that ggml has; rows a multiple of its block
  std::vector<std::size_t> shape;  ///< Hugging Face order, [out, in]; reversed in the file

  [[nodiscard]] std::size_t bytes() const;
};

/// create -> write (tensors in the order given) -> finish. Without finish the target stays as it was.
class GgufWriter {
 public:
  static constexpr std::size_t kAlignment = 32;

  /// `fields` must not ask for another general.alignment. Errors: kIo.
  [[nodiscard]] static Result<GgufWriter> create(const std::filesystem::path& file, const GgufFields& fields,
                                                 std::vector<GgufTensor> tensors);
  /// The next bytes of a tensor: all of them, or a piece of any size. Errors: kIo.
  [[nodiscard]] Result<void> write(std::string_view name, std::span<const std::byte> bytes);
  /// Errors: kIo.
  [[nodiscard]] Result<void> finish() &&;

 private:
  GgufWriter(io::AtomicFile file, std::vector<GgufTensor> tensors)
      : file_(std::move(file)), tensors_(std::move(tensors)) {}
  io::AtomicFile file_;
  std::vector<GgufTensor> tensors_;
  std::size_t next_ = 0;     ///< tensor that is being written
  std::size_t written_ = 0;  ///< bytes of it so far
};

}  // namespace lieq::save
