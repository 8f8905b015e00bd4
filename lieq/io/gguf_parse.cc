// All numbers little-endian:
//
//   "GGUF" | u32 version 2 or 3 | u64 tensors | u64 keys | keys... | tensor infos... | padding to the alignment | data
//   key:         string name | u32 type | value
//   tensor info: string name | u32 n_dims | u64 dims[n_dims], contiguous first | u32 type | u64 offset into data
//   string:      u64 length | bytes
//   array:       u32 element type | u64 count | elements

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include "lieq/base/check.h"
#include "lieq/base/message.h"
#include "lieq/io/gguf.h"

namespace lieq::io {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little-endian, and read by memcpy");

constexpr std::uint32_t kVersion = 3, kOldVersion = 2;  // which differ in big-endian files alone
constexpr std::uint64_t kDefaultAlignment = 32, kLeastAlignment = 8;
// Least bytes a key (name length, type, value) and a tensor info (name length, n_dims, one dim, type, offset) take.
constexpr std::size_t kLeastKeyBytes = 13, kLeastTensorBytes = 32;

enum ValueType : std::uint32_t {
  kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64,
};

struct TensorType {
  std::string_view name;
  std::optional<DType> type;  // nothing: known to ggml, not to us
};

/// By ggml's number. An empty name: never given, or withdrawn.
// clang-format off
const TensorType kTensorTypes[] = {
    {"F32", DType::kF32}, {"F16", DType::kF16}, {"Q4_0", DType::kQ4_0}, {"Q4_1", DType::kQ4_1}, {"", {}},
    {"", {}}, {"Q5_0", DType::kQ5_0}, {"Q5_1", DType::kQ5_1}, {"Q8_0", DType::kQ8_0}, {"Q8_1", {}},
    {"Q2_K", DType::kQ2_K}, {"Q3_K", DType::kQ3_K}, {"Q4_K", DType::kQ4_K}, {"Q5_K", DType::kQ5_K},
    {"Q6_K", DType::kQ6_K}, {"Q8_K", {}}, {"IQ2_XXS", DType::kIQ2_XXS}, {"IQ2_XS", DType::kIQ2_XS},
    {"IQ3_XXS", DType::kIQ3_XXS}, {"IQ1_S", DType::kIQ1_S}, {"IQ4_NL", DType::kIQ4_NL},
    {"IQ3_S", DType::kIQ3_S}, {"IQ2_S", DType::kIQ2_S}, {"IQ4_XS", DType::kIQ4_XS}, {"I8", DType::kI8},
    {"I16", DType::kI16}, {"I32", DType::kI32}, {"I64", DType::kI64}, {"F64", DType::kF64},
    {"IQ1_M", DType::kIQ1_M}, {"BF16", DType::kBF16}, {"", {}}, {"", {}}, {"", {}}, {"TQ1_0", DType::kTQ1_0},
    {"TQ2_0", DType::kTQ2_0}, {"", {}}, {"", {}}, {"", {}}, {"MXFP4", DType::kMXFP4}, {"NVFP4", {}},
    {"Q1_0", {}}, {"Q2_0", DType::kQ2_0},
};
// clang-format on

/// Types that hold no weights; tensors of them may be there but are not read.
bool is_plain_number(DType type) {
  return type == DType::kI8 || type == DType::kI16 || type == DType::kI32 || type == DType::kI64 || type == DType::kF64;
}

std::string supported_types() {
  std::string all;
  for (const TensorType& t : kTensorTypes) {
    if (t.type && !is_plain_number(*t.type)) all += (all.empty() ? "" : ", ") + std::string(t.name);
  }
  return all;
}

/// Calls f.operator()<Stored, Widened>() for a scalar type; nothing for strings, arrays and unknown numbers.
template <class R, class F>
std::optional<R> with_scalar(std::uint32_t type, const F& f) {
  switch (type) {
    case kU8: return f.template operator()<std::uint8_t, std::uint64_t>();
    case kI8: return f.template operator()<std::int8_t, std::int64_t>();
    case kU16: return f.template operator()<std::uint16_t, std::uint64_t>();
    case kI16: return f.template operator()<std::int16_t, std::int64_t>();
    case kU32: return f.template operator()<std::uint32_t, std::uint64_t>();
    case kI32: return f.template operator()<std::int32_t, std::int64_t>();
    case kF32: return f.template operator()<float, double>();
    case kBool: return f.template operator()<std::uint8_t, bool>();
    case kU64: return f.template operator()<std::uint64_t, std::uint64_t>();
    case kI64: return f.template operator()<std::int64_t, std::int64_t>();
    case kF64: return f.template operator()<double, double>();
    default: return std::nullopt;
  }
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& place) : bytes_(bytes), place_(place) {}

  Result<Gguf> parse() {
    Gguf gguf;
    gguf.file = place_;
    LIEQ_TRY(read_magic_and_version());
    LIEQ_ASSIGN(const std::uint64_t tensors, read_number<std::uint64_t>("tensor count"));
    LIEQ_ASSIGN(const std::uint64_t keys, read_number<std::uint64_t>("key count"));
    LIEQ_TRY(check_count("key count", keys, kLeastKeyBytes));
    for (std::uint64_t i = 0; i < keys; ++i) LIEQ_TRY(read_key(gguf));
    LIEQ_TRY(check_count("tensor count", tensors, kLeastTensorBytes));
    std::vector<Info> infos;
    for (std::uint64_t i = 0; i < tensors; ++i) {
      LIEQ_ASSIGN(Info info, read_info(i));
      infos.push_back(std::move(info));
    }
    LIEQ_TRY(place_tensors(gguf, infos));
    return gguf;
  }

 private:
  struct Info {
    Tensor tensor;
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    std::string place;  // "FILE: tensor 'NAME'"
  };

  [[nodiscard]] std::size_t left() const { return bytes_.size() - position_; }

  [[nodiscard]] Unexpected bad(const std::string& what) const { return bad(place_, what); }
  [[nodiscard]] static Unexpected bad(const std::string& place, const std::string& what) {
    return fail(ErrorCode::kInvalidFormat, place + ": " + what);
  }
  [[nodiscard]] Unexpected ends(const std::string& place, std::string_view what) const {
    return bad(place, std::string(what) + ": the file ends inside it, at byte " + std::to_string(bytes_.size()) +
                          " (cut short?)");
  }

  template <class T>
  Result<T> read_number(std::string_view what) {
    return read_number<T>(place_, what);
  }
  template <class T>
  Result<T> read_number(const std::string& place, std::string_view what) {
    if (left() < sizeof(T)) return ends(place, what);
    return take<T>();
  }
  /// The caller has proven that sizeof(T) bytes are left.
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  Result<std::string_view> read_string(const std::string& place, std::string_view what) {
    LIEQ_ASSIGN(const std::uint64_t length, read_number<std::uint64_t>(place, what));
    if (length > left())
      return bad(place, std::string(what) + ": found a length of " + std::to_string(length) + ", but " +
                            std::to_string(left()) + " bytes are left");
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
    position_ += length;
    return text;
  }

  Result<void> read_magic_and_version() {
    constexpr std::string_view kMagic = "GGUF";
    if (left() < kMagic.size() || std::memcmp(bytes_.data(), kMagic.data(), kMagic.size()) != 0)
      return bad("not a GGUF file: expected it to open with the letters GGUF");
    position_ = kMagic.size();
    LIEQ_ASSIGN(const auto version, read_number<std::uint32_t>("version"));
    if (version == kVersion || version == kOldVersion) return {};
    if ((version & 0xFFFF) == 0 && version != 0)
      return fail(ErrorCode::kUnsupported, place_ + ": version: found a big-endian file (version " +
                                               std::to_string(__builtin_bswap32(version)) +
                                               "), expected little-endian version 3");
    return fail(ErrorCode::kUnsupported,
                place_ + ": version: found " + std::to_string(version) + ", expected 2 or 3 (convert the model anew)");
  }

  /// Before anything is allocated or looped over.
  Result<void> check_count(std::string_view what, std::uint64_t count, std::size_t least_bytes) const {
    if (count <= left() / least_bytes) return {};
    return bad(std::string(what) + ": found " + std::to_string(count) + ", but " + std::to_string(left()) +
               " bytes are left, enough for at most " + std::to_string(left() / least_bytes));
  }

  Result<void> read_key(Gguf& gguf) {
    LIEQ_ASSIGN(const std::string_view key, read_string(place_, "name of a key"));
    const std::string place = place_ + ": key " + in_quotes(key);
    LIEQ_ASSIGN(const auto type, read_number<std::uint32_t>(place, "type"));
    const std::size_t begin = position_;
    LIEQ_ASSIGN(GgufValue value, type == kArray ? read_array(place) : read_value(type, place));
    if (!gguf.metadata.emplace(std::string(key), std::move(value)).second)
      return bad(place, "appears twice, expected once");
    gguf.keys.push_back({key, type, bytes_.subspan(begin, position_ - begin)});
    return {};
  }

  Result<GgufValue> read_value(std::uint32_t type, const std::string& place) {
    if (type == kString) {
      LIEQ_ASSIGN(const std::string_view text, read_string(place, "value"));
      return GgufValue(text);
    }
    auto value = with_scalar<Result<GgufValue>>(type, [&]<class Stored, class Widened>() -> Result<GgufValue> {
      LIEQ_ASSIGN(const Stored stored, read_number<Stored>(place, "value"));
      if constexpr (std::is_same_v<Widened, bool>) {
        if (stored > 1) return bad(place, "found " + std::to_string(stored) + ", expected a boolean, 0 or 1");
        return GgufValue(stored == 1);
      } else {
        return GgufValue(static_cast<Widened>(stored));
      }
    });
    if (!value) return bad(place, "type: found " + std::to_string(type) + ", expected 0 to 12");
    return std::move(*value);
  }

  Result<GgufValue> read_array(const std::string& place) {
    LIEQ_ASSIGN(const auto type, read_number<std::uint32_t>(place, "element type"));
    LIEQ_ASSIGN(const auto count, read_number<std::uint64_t>(place, "element count"));
    if (type == kArray)
      return fail(ErrorCode::kUnsupported, place + ": found an array of arrays, expected an array of plain values");
    if (type == kString) return read_strings(count, place);
    auto value = with_scalar<Result<GgufValue>>(type, [&]<class Stored, class Widened>() -> Result<GgufValue> {
      LIEQ_TRY(check_elements(count, sizeof(Stored), place));
      std::vector<Widened> all;
      all.reserve(count);
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto stored = take<Stored>();
        if constexpr (std::is_same_v<Widened, bool>) {
          if (stored > 1)
            return bad(place, "element " + std::to_string(i) + ": found " + std::to_string(stored) +
                                  ", expected a boolean, 0 or 1");
          all.push_back(stored == 1);
        } else {
          all.push_back(static_cast<Widened>(stored));
        }
      }
      return GgufValue(std::move(all));
    });
    if (!value) return bad(place, "element type: found " + std::to_string(type) + ", expected 0 to 12");
    return std::move(*value);
  }

  Result<GgufValue> read_strings(std::uint64_t count, const std::string& place) {
    LIEQ_TRY(check_elements(count, sizeof(std::uint64_t), place));
    std::vector<std::string_view> all;
    all.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      LIEQ_ASSIGN(const std::string_view text, read_string(place, "a string of the array"));
      all.push_back(text);
    }
    return GgufValue(std::move(all));
  }

  Result<void> check_elements(std::uint64_t count, std::size_t least_bytes, const std::string& place) const {
    if (count <= left() / least_bytes) return {};
    return bad(place, "found an array of " + std::to_string(count) + " elements, but " + std::to_string(left()) +
                          " bytes are left");
  }

  Result<Info> read_info(std::uint64_t index) {
    LIEQ_ASSIGN(const std::string_view tensor, read_string(place_, "name of tensor " + std::to_string(index)));
    Info info;
    info.place = place_ + ": tensor " + in_quotes(tensor);
    info.tensor.name = std::string(tensor);
    info.tensor.file = place_;
    LIEQ_ASSIGN(info.tensor.shape, read_shape(info.place));
    LIEQ_ASSIGN(const auto type, read_number<std::uint32_t>(info.place, "type"));
    LIEQ_ASSIGN(info.tensor.type, tensor_type(type, info.place));
    LIEQ_ASSIGN(info.offset, read_number<std::uint64_t>(info.place, "offset"));
    LIEQ_ASSIGN(info.bytes, tensor_bytes(info.tensor, info.place));
    return info;
  }

  /// Hugging Face order: the file gives the contiguous dimension first.
  Result<std::vector<std::size_t>> read_shape(const std::string& place) {
    LIEQ_ASSIGN(const auto n_dims, read_number<std::uint32_t>(place, "n_dims"));
    if (n_dims < 1 || n_dims > 4) return bad(place, "n_dims: found " + std::to_string(n_dims) + ", expected 1 to 4");
    std::vector<std::size_t> shape(n_dims);
    for (std::size_t i = n_dims; i-- > 0;) {
      LIEQ_ASSIGN(shape[i], read_number<std::uint64_t>(place, "shape"));
    }
    return shape;
  }

  static Result<DType> tensor_type(std::uint32_t number, const std::string& place) {
    const bool named = number < std::size(kTensorTypes) && !kTensorTypes[number].name.empty();
    if (named && kTensorTypes[number].type) return *kTensorTypes[number].type;
    const std::string found = named ? std::string(kTensorTypes[number].name) : "number " + std::to_string(number);
    const bool inner = found == "Q8_1" || found == "Q8_K";
    return fail(ErrorCode::kUnsupported, place + ": type: found " + found +
                                             (inner ? " (of inner results, no weights)" : "") + ", expected one of " +
                                             supported_types());
  }

  static Result<std::size_t> tensor_bytes(const Tensor& tensor, const std::string& place) {
    const std::string form = "shape " + shape_text(tensor.shape) + " x " + std::string(name(tensor.type));
    std::optional<std::size_t> elements = 1;
    for (const std::size_t n : tensor.shape) {
      if (n == 0) return bad(place, form + ": found a dimension of 0, expected at least 1");
      elements = elements ? checked_mul(*elements, n) : elements;
    }
    if (elements && tensor.shape.back() % block_elements(tensor.type) != 0)
      return bad(place, form + ": found rows of " + std::to_string(tensor.shape.back()) +
                            " weights, expected a multiple of the block of " +
                            std::to_string(block_elements(tensor.type)));
    const auto bytes = elements ? bytes_of(tensor.type, *elements) : std::nullopt;
    if (!bytes) return bad(place, form + ": the product does not fit in 64 bits");
    return *bytes;
  }

  /// Where the data begin, from the place after the last tensor info.
  Result<std::pair<std::size_t, std::uint64_t>> data_start_and_alignment(const Gguf& gguf) const {
    LIEQ_ASSIGN(const auto given, gguf.count("general.alignment"));
    const std::uint64_t alignment = given.value_or(kDefaultAlignment);
    if (!std::has_single_bit(alignment) || alignment < kLeastAlignment)
      return bad("key 'general.alignment': found " + std::to_string(alignment) +
                 ", expected a power of two of at least 8");
    const auto padded = checked_add(position_, alignment - 1);
    if (!padded)
      return bad("key 'general.alignment': found " + std::to_string(alignment) + ", which no file can hold");
    return std::pair(*padded & ~(alignment - 1), alignment);
  }

  Result<void> place_tensors(Gguf& gguf, std::vector<Info>& infos) const {
    if (infos.empty()) return {};  // then nothing need follow, not even the padding
    LIEQ_ASSIGN(const auto data, data_start_and_alignment(gguf));
    const auto [start, alignment] = data;
    const std::size_t data_bytes = start <= bytes_.size() ? bytes_.size() - start : 0;
    for (Info& info : infos) {
      const std::string found = "offset " + std::to_string(info.offset);
      if (info.offset % alignment != 0)
        return bad(info.place, found + ": expected a multiple of the alignment, " + std::to_string(alignment));
      const auto end = checked_add(info.offset, info.bytes);
      if (!end || *end > data_bytes)
        return bad(info.place, found + " and " + std::to_string(info.bytes) + " bytes: found an end past the data, " +
                                   "expected at most " + std::to_string(data_bytes) + " (file cut short?)");
      info.tensor.data = bytes_.subspan(start + info.offset, info.bytes);
    }
    std::sort(infos.begin(), infos.end(), [](const Info& a, const Info& b) { return a.offset < b.offset; });
    for (std::size_t i = 1; i < infos.size(); ++i) {
      const Info &before = infos[i - 1], &info = infos[i];
      if (info.offset < before.offset + before.bytes)
        return bad(info.place, "offset " + std::to_string(info.offset) + ": overlaps tensor " +
                                   in_quotes(before.tensor.name) + ", which ends at " +
                                   std::to_string(before.offset + before.bytes));
    }
    for (Info& info : infos) LIEQ_TRY(gguf.tensors.add(std::move(info.tensor)));
    return {};
  }

  std::span<const std::byte> bytes_;
  const std::string& place_;
  std::size_t position_ = 0;
};

}  // namespace

std::optional<std::uint32_t> ggml_type(DType type) {
  const auto* found = std::ranges::find_if(kTensorTypes, [&](const TensorType& t) { return t.type == type; });
  if (found == std::end(kTensorTypes)) return std::nullopt;
  return static_cast<std::uint32_t>(found - std::begin(kTensorTypes));
}

Result<Gguf> parse_gguf(std::span<const std::byte> bytes, const std::string& place) {
  return Parser(bytes, place).parse();
}

}  // namespace lieq::io
