#pragma once
/// Reader for GGUF versions 2 and 3 (little-endian), one file or a split set.
///
/// Goals: an opened file is proven sound: counts and lengths are checked against the bytes left before
/// anything is allocated, keys and names are unique, offsets are aligned, tensors lie inside the file
/// and do not overlap, row lengths are whole numbers of blocks. Zero-copy.
/// Non-goals: version 1, big-endian files, writing (save/).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/io/tensors.h"

namespace lieq::io {

/// A metadata value, widened. Strings view the mapped file. Arrays of arrays are refused.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, std::vector<std::uint64_t>,
                               std::vector<std::int64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<std::string_view>>;

/// A key as it lies in the file, so that it can be written again as it was.
struct GgufKey {
  std::string_view name;
  std::uint32_t type = 0;           ///< ggml's number of the value's type
  std::span<const std::byte> value; ///< for an array: element type, count and elements
};

/// An opened GGUF model. Tensor shapes are reversed to Hugging Face order ([out, in]).
struct Gguf {
  std::string file;  ///< the (first) file, for error messages
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufKey> keys;  ///< the same in file order; views of the mapped file
  TensorSet tensors;

  /// nullptr when absent.
  [[nodiscard]] const GgufValue* find(std::string_view key) const;
  /// Typed access; nothing when absent; kInvalidFormat "FILE: key 'K': found T, expected U" on another type.
  /// A signed integer that is not negative reads as a count; an integer reads as a number.
  [[nodiscard]] Result<std::optional<std::uint64_t>> count(std::string_view key) const;
  [[nodiscard]] Result<std::optional<double>> number(std::string_view key) const;
  [[nodiscard]] Result<std::optional<bool>> boolean(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::string_view>> string(std::string_view key) const;
  [[nodiscard]] Result<const std::vector<std::string_view>*> strings(std::string_view key) const;  ///< nullptr: absent
};

/// Opens `file`; of a split set (…-00001-of-00003.gguf) the first file is named and all are opened.
/// Metadata are those of the first file.
/// Errors: kNotFound (also a missing part), kIo, kInvalidFormat, kUnsupported (version, tensor type),
/// kInvalidArgument (a later part of a split set).
[[nodiscard]] Result<Gguf> open_gguf(const std::filesystem::path& file);

/// ggml's number of a tensor type; nothing for types that GGUF has not.
[[nodiscard]] std::optional<std::uint32_t> ggml_type(DType type);

/// The proof behind it, over the bytes of one file, which must outlive the result. `place` opens each message.
/// A part of a split set is read like any other file.
[[nodiscard]] Result<Gguf> parse_gguf(std::span<const std::byte> bytes, const std::string& place);

}  // namespace lieq::io
