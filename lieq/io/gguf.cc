#include "lieq/io/gguf.h"

#include <array>
#include <cstdio>
#include <system_error>
#include <utility>

#include "lieq/base/message.h"

namespace lieq::io {
namespace {

/// What a value is, for an error message.
struct Describe {
  std::string operator()(std::uint64_t v) const { return std::to_string(v); }
  std::string operator()(std::int64_t v) const { return std::to_string(v); }
  std::string operator()(double v) const { return "the number " + std::to_string(v); }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::string_view v) const { return "the string " + in_quotes(v); }
  template <class T>
  std::string operator()(const std::vector<T>& v) const {
    return "an array of " + std::to_string(v.size());
  }
};

Unexpected wrong(const Gguf& gguf, std::string_view key, const GgufValue& value, const char* expected) {
  return fail(ErrorCode::kInvalidFormat, gguf.file + ": key " + in_quotes(key) + ": found " +
                                             std::visit(Describe{}, value) + ", expected " + expected);
}

}  // namespace

const GgufValue* Gguf::find(std::string_view key) const {
  const auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : &found->second;
}

Result<std::optional<std::uint64_t>> Gguf::count(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* v = std::get_if<std::uint64_t>(value)) return *v;
  if (const auto* v = std::get_if<std::int64_t>(value); v && *v >= 0) return static_cast<std::uint64_t>(*v);
  return wrong(*this, key, *value, "an integer of at least 0");
}

Result<std::optional<double>> Gguf::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* v = std::get_if<double>(value)) return *v;
  if (const auto* v = std::get_if<std::uint64_t>(value)) return static_cast<double>(*v);
  if (const auto* v = std::get_if<std::int64_t>(value)) return static_cast<double>(*v);
  return wrong(*this, key, *value, "a number");
}

Result<std::optional<bool>> Gguf::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* v = std::get_if<bool>(value)) return *v;
  return wrong(*this, key, *value, "a boolean");
}

Result<std::optional<std::string_view>> Gguf::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* v = std::get_if<std::string_view>(value)) return *v;
  return wrong(*this, key, *value, "a string");
}

Result<const std::vector<std::string_view>*> Gguf::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return nullptr;
  if (const auto* v = std::get_if<std::vector<std::string_view>>(value)) return v;
  return wrong(*this, key, *value, "an array of strings");
}

namespace {

constexpr std::size_t kMaxParts = 99'999;  // five digits in a name

/// "-00002-of-00003.gguf"
std::string part_suffix(std::size_t part, std::size_t parts) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "-%05zu-of-%05zu.gguf", part, parts);
  return text.data();
}

Result<MappedFile> open_part(const std::filesystem::path& first, const std::filesystem::path& part,
                             std::size_t parts) {
  std::error_code ignored;
  if (std::filesystem::exists(part, ignored)) return MappedFile::open(part);
  return fail(ErrorCode::kNotFound, first.string() + ": part '" + part.filename().string() +
                                        "' is missing, expected beside it (split.count is " + std::to_string(parts) +
                                        ")");
}

/// A part must say that it is number `index` (from 0) of `parts`.
Result<void> check_part(const Gguf& part, std::size_t index, std::size_t parts) {
  for (const auto& [key, expected] : {std::pair{"split.no", index}, {"split.count", parts}}) {
    LIEQ_ASSIGN(const auto found, part.count(key));
    if (!found || *found != expected)
      return fail(ErrorCode::kInvalidFormat, part.file + ": key '" + key + "': found " +
                                                 (found ? std::to_string(*found) : "none") + ", expected " +
                                                 std::to_string(expected));
  }
  return {};
}

/// Adds the tensors of parts 2 to `parts` to `gguf`, the first.
Result<void> open_other_parts(Gguf& gguf, const std::filesystem::path& first, std::size_t parts) {
  const std::string file_name = first.filename().string();
  const std::string suffix = part_suffix(1, parts);
  if (parts > kMaxParts || !file_name.ends_with(suffix))
    return fail(ErrorCode::kInvalidFormat,
                gguf.file + ": key 'split.count': found " + std::to_string(parts) +
                    ", expected a file name that ends in '" + suffix + "', by which to find the other parts");
  const std::string prefix = file_name.substr(0, file_name.size() - suffix.size());
  for (std::size_t i = 1; i < parts; ++i) {
    LIEQ_ASSIGN(const MappedFile mapped,
                open_part(first, first.parent_path() / (prefix + part_suffix(i + 1, parts)), parts));
    LIEQ_ASSIGN(const Gguf part, parse_gguf(mapped.bytes(), mapped.name()));
    LIEQ_TRY(check_part(part, i, parts));
    for (const auto& [_, tensor] : part.tensors.all()) LIEQ_TRY(gguf.tensors.add(tensor));
    gguf.tensors.keep(mapped);
  }
  LIEQ_ASSIGN(const auto expected, gguf.count("split.tensors.count"));
  const std::size_t found = gguf.tensors.all().size();
  if (expected && *expected != found)
    return fail(ErrorCode::kInvalidFormat, gguf.file + ": key 'split.tensors.count': found " +
                                               std::to_string(*expected) + ", but all parts together hold " +
                                               std::to_string(found));
  return {};
}

}  // namespace

Result<Gguf> open_gguf(const std::filesystem::path& file) {
  LIEQ_ASSIGN(MappedFile mapped, MappedFile::open(file));
  LIEQ_ASSIGN(Gguf gguf, parse_gguf(mapped.bytes(), mapped.name()));
  gguf.tensors.keep(std::move(mapped));
  LIEQ_ASSIGN(const auto parts, gguf.count("split.count"));
  LIEQ_ASSIGN(const auto index, gguf.count("split.no"));
  if (!parts || *parts <= 1) return gguf;
  if (index.value_or(0) != 0)
    return fail(ErrorCode::kInvalidArgument, gguf.file + ": found part " + std::to_string(*index + 1) + " of " +
                                                 std::to_string(*parts) + " of a split model, expected the first (..." +
                                                 part_suffix(1, *parts) + ")");
  LIEQ_TRY(open_other_parts(gguf, file, *parts));
  return gguf;
}

}  // namespace lieq::io
