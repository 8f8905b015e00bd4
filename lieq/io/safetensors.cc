// u64 N, little-endian | N bytes of JSON, opening with '{' | data buffer
//
// The JSON maps each tensor's name to {"dtype", "shape", "data_offsets": [begin, end]}, offsets counted from the start
// of the buffer; "__metadata__" maps strings to strings. The tensors cover the buffer: no holes, no overlaps.

#include "lieq/io/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/base/json.h"
#include "lieq/base/message.h"

namespace lieq::io {
namespace {

constexpr std::uint64_t kHeaderLimit = 100'000'000;
constexpr std::size_t kLengthBytes = 8;
constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI8,
                            DType::kU8,  DType::kI16, DType::kU16,  DType::kI32, DType::kU32,
                            DType::kI64, DType::kU64, DType::kBool, DType::kF8E4M3, DType::kF8E5M2};

using Bytes = std::span<const std::byte>;

Unexpected bad(const std::string& place, const std::string& what) {
  return fail(ErrorCode::kInvalidFormat, place + ": " + what);
}

/// The JSON text; its end is where the buffer begins.
Result<std::string_view> header_text(Bytes bytes, const std::string& place) {
  if (bytes.size() < kLengthBytes)
    return bad(place, "found " + std::to_string(bytes.size()) + " bytes, expected a safetensors header of at least 8");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  const std::string found = "header length: found " + std::to_string(length);
  if (length > kHeaderLimit)
    return bad(place, found + ", expected at most " + std::to_string(kHeaderLimit) + " (not a safetensors file?)");
  if (length > bytes.size() - kLengthBytes)
    return bad(place, found + ", but " + std::to_string(bytes.size() - kLengthBytes) + " bytes follow (cut short?)");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (!text.starts_with('{')) return bad(place, "header: expected a JSON object, opening with '{'");
  return text;
}

std::string dtype_names() {
  std::string all;
  for (const DType type : kTypes) all += (all.empty() ? "" : ", ") + std::string(name(type));
  return all;
}

Result<DType> read_dtype(const Fields& entry) {
  LIEQ_ASSIGN(const auto text, entry.string("dtype"));
  if (!text) return bad(entry.place(), "field 'dtype': missing, expected a string");
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes), [&](DType t) { return name(t) == *text; });
  if (found == std::end(kTypes))
    return fail(ErrorCode::kUnsupported,
                entry.place() + ": dtype: found " + in_quotes(*text) + ", expected one of " + dtype_names());
  return *found;
}

/// A list of integers of at least 0; counts() alone would also take a single one.
Result<std::vector<std::uint64_t>> read_list(const Fields& entry, const char* key) {
  const Json* list = entry.find(key);
  if (!list || !list->is_array())
    return bad(entry.place(), std::string("field '") + key + "': " + (list ? "found " + brief(*list) : "missing") +
                                  ", expected a list of integers");
  return entry.counts(key);
}

/// `buffer` is what the offsets count in. The place of an error is "FILE: tensor 'NAME'".
Result<Tensor> read_tensor(const std::string& tensor_name, const Json& json, Bytes buffer, const std::string& place) {
  const std::string here = place + ": tensor " + in_quotes(tensor_name);
  if (!json.is_object()) return bad(here, "found " + brief(json) + ", expected an object");
  const Fields entry(json, here);
  Tensor tensor;
  tensor.name = tensor_name;
  tensor.file = place;
  LIEQ_ASSIGN(tensor.type, read_dtype(entry));
  LIEQ_ASSIGN(const auto shape, read_list(entry, "shape"));
  LIEQ_ASSIGN(const auto offsets, read_list(entry, "data_offsets"));
  if (offsets.size() != 2)
    return bad(here, "data_offsets: found " + std::to_string(offsets.size()) + " numbers, expected [begin, end]");

  tensor.shape.assign(shape.begin(), shape.end());
  const std::string form = "shape " + shape_text(tensor.shape) + " x " + std::string(name(tensor.type));
  std::optional<std::size_t> elements = 1;
  for (const std::size_t n : tensor.shape) elements = elements ? checked_mul(*elements, n) : elements;
  const auto expected = elements ? bytes_of(tensor.type, *elements) : std::nullopt;
  if (!expected) return bad(here, form + ": the product does not fit in 64 bits");

  const std::uint64_t begin = offsets[0], end = offsets[1];
  const std::string range = "data_offsets [" + std::to_string(begin) + ", " + std::to_string(end) + "]";
  if (begin > end) return bad(here, range + ": found begin after end, expected begin <= end");
  if (end > buffer.size())
    return bad(here, range + ": found an end past the data, expected at most " + std::to_string(buffer.size()) +
                         " (file cut short?)");
  if (end - begin != *expected)
    return bad(here, range + " hold " + std::to_string(end - begin) + " bytes, expected " + std::to_string(*expected) +
                         " (" + form + ")");
  tensor.data = buffer.subspan(begin, end - begin);
  return tensor;
}

Result<void> check_metadata(const Json& metadata, const std::string& place) {
  if (!metadata.is_object()) return bad(place, "'__metadata__': found " + brief(metadata) + ", expected an object");
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string())
      return bad(place, "'__metadata__': key " + in_quotes(key) + ": found " + brief(value) + ", expected a string");
  }
  return {};
}

/// Every byte of the buffer belongs to exactly one tensor.
Result<void> check_coverage(const TensorSet& tensors, Bytes buffer, const std::string& place) {
  const auto begin_of = [&](const Tensor* t) { return static_cast<std::size_t>(t->data.data() - buffer.data()); };
  std::vector<const Tensor*> order;
  for (const auto& [_, tensor] : tensors.all()) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [&](const Tensor* a, const Tensor* b) {
    return std::pair(begin_of(a), a->data.size()) < std::pair(begin_of(b), b->data.size());
  });
  std::size_t end = 0;  // of the tensors so far
  const Tensor* before = nullptr;
  for (const Tensor* tensor : order) {
    const std::size_t begin = begin_of(tensor);
    const std::string here = place + ": tensor " + in_quotes(tensor->name);
    if (begin < end)
      return bad(here, "begins at byte " + std::to_string(begin) + " of the data and overlaps tensor " +
                           in_quotes(before->name) + ", expected " + std::to_string(end));
    if (begin > end)
      return bad(here, "begins at byte " + std::to_string(begin) + " of the data and leaves a hole, expected " +
                           std::to_string(end));
    end = begin + tensor->data.size();
    before = tensor;
  }
  if (end != buffer.size())
    return bad(place, "data: found " + std::to_string(buffer.size()) + " bytes, expected " + std::to_string(end) +
                          " (the end of the last tensor)");
  return {};
}

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

bool is_plain_file_name(std::string_view text) {
  const auto odd = [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return !text.empty() && text != "." && text != ".." && std::none_of(text.begin(), text.end(), odd);
}

Result<WeightMap> read_index(const std::filesystem::path& index) {
  const std::string place = index.string();
  LIEQ_ASSIGN(const Json json, read_json(index, DuplicateKeys::kRefuse));
  if (!json.is_object()) return bad(place, "found " + brief(json) + ", expected an object");
  const auto map = json.find("weight_map");
  if (map == json.end()) return bad(place, "field 'weight_map': missing, expected an object");
  if (!map->is_object()) return bad(place, "field 'weight_map': found " + brief(*map) + ", expected an object");
  WeightMap weights;
  for (const auto& [tensor, shard] : map->items()) {
    const std::string here = place + ": weight_map: tensor " + in_quotes(tensor);
    if (!shard.is_string()) return bad(here, "found " + brief(shard) + ", expected a file name");
    const auto file = shard.get<std::string>();
    if (!is_plain_file_name(file)) return bad(here, "found " + in_quotes(file) + ", expected a plain file name");
    weights.emplace(tensor, file);
  }
  if (weights.empty()) return bad(place, "field 'weight_map': names no tensor, expected at least one");
  return weights;
}

/// Tensors that are not where the index says, or of which it says nothing.
void mark_doubts(TensorSet& tensors, const WeightMap& weights, const std::filesystem::path& folder,
                 const std::string& index) {
  for (const auto& [tensor, shard] : weights) {
    const Tensor* found = tensors.find(tensor);
    const std::string place = (folder / shard).string();
    if (found && found->file == place) continue;
    tensors.doubt(tensor, place + ": tensor " + in_quotes(tensor) + ": " +
                              (found ? "found in " + found->file : std::string("missing")) + ", expected here (" +
                              index + ")");
  }
  for (const auto& [tensor, found] : tensors.all()) {
    if (!weights.contains(tensor))
      tensors.doubt(tensor, found.file + ": tensor " + in_quotes(tensor) +
                                ": found here, but not in the weight_map of " + index);
  }
}

Result<TensorSet> open_sharded(const std::filesystem::path& folder, const std::filesystem::path& index,
                               const WeightMap& weights, const std::set<std::string>& shards) {
  TensorSet all;
  for (const std::string& shard : shards) {
    LIEQ_ASSIGN(const MappedFile mapped, MappedFile::open(folder / shard));
    LIEQ_ASSIGN(const TensorSet part, parse_safetensors(mapped.bytes(), mapped.name()));
    for (const auto& [_, tensor] : part.all()) LIEQ_TRY(all.add(tensor));
    all.keep(mapped);
  }
  mark_doubts(all, weights, folder, index.filename().string());
  return all;
}

/// Files in `folder` whose names end with `ending`, by the alphabet, those of adapters left out.
std::vector<std::filesystem::path> files_ending(const std::filesystem::path& folder, std::string_view ending) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string file = entry.path().filename().string();
    if (file.ends_with(ending) && !file.starts_with("adapter_")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The shards of the index, unless it is left over from another state of the folder: some are gone, and a file that
/// needs no index is there.
Result<TensorSet> open_by_index(const std::filesystem::path& folder, const std::filesystem::path& index,
                                const std::filesystem::path& single, Sink& sink) {
  LIEQ_ASSIGN(const WeightMap weights, read_index(index));
  std::set<std::string> shards;
  for (const auto& [_, shard] : weights) shards.insert(shard);
  std::error_code ignored;
  const bool has_single = std::filesystem::exists(single, ignored) && !shards.contains(single.filename().string());
  for (const std::string& shard : shards) {
    if (std::filesystem::exists(folder / shard, ignored)) continue;
    if (!has_single)
      return fail(ErrorCode::kNotFound, index.string() + ": shard '" + shard + "' is missing, expected beside it");
    sink.warn(index.string() + ": shard '" + shard + "' is missing; model.safetensors beside it is read instead");
    return open_safetensors(single);
  }
  if (has_single)
    sink.warn(folder.string() + ": found model.safetensors and " + index.filename().string() +
              " with other shards: the shards are read, model.safetensors is left out");
  return open_sharded(folder, index, weights, shards);
}

/// GPTQ tools name files after the quantisation: gptq_model-4bit-128g.safetensors. One such file or index is the model.
Result<TensorSet> open_of_other_name(const std::filesystem::path& folder, Sink& sink) {
  const auto indexes = files_ending(folder, ".safetensors.index.json");
  if (indexes.size() == 1) return open_by_index(folder, indexes.front(), folder / "model.safetensors", sink);
  const auto files = files_ending(folder, ".safetensors");
  if (indexes.empty() && files.size() == 1) return open_safetensors(files.front());
  std::string found = "neither model.safetensors nor model.safetensors.index.json";
  if (files.size() > 1)
    found += ", but " + std::to_string(files.size()) + " other files, the first " +
             in_quotes(files.front().filename().string());
  return fail(ErrorCode::kNotFound, folder.string() + ": found " + found + ", expected one");
}

}  // namespace

Result<TensorSet> parse_safetensors(std::span<const std::byte> bytes, const std::string& place) {
  LIEQ_ASSIGN(const std::string_view text, header_text(bytes, place));
  LIEQ_ASSIGN(const Json header, parse_json(text, place + ": header", DuplicateKeys::kRefuse));
  const Bytes buffer = bytes.subspan(kLengthBytes + text.size());
  TensorSet tensors;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") {
      LIEQ_TRY(check_metadata(value, place));
      continue;
    }
    LIEQ_ASSIGN(Tensor tensor, read_tensor(key, value, buffer, place));
    LIEQ_TRY(tensors.add(std::move(tensor)));
  }
  LIEQ_TRY(check_coverage(tensors, buffer, place));
  return tensors;
}

Result<TensorSet> open_safetensors(const std::filesystem::path& file) {
  LIEQ_ASSIGN(MappedFile mapped, MappedFile::open(file));
  LIEQ_ASSIGN(TensorSet tensors, parse_safetensors(mapped.bytes(), mapped.name()));
  tensors.keep(std::move(mapped));
  return tensors;
}

Result<TensorSet> open_safetensors_folder(const std::filesystem::path& folder, Sink& sink) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    return fail(ErrorCode::kNotFound, folder.string() + ": no such folder");
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  const std::filesystem::path single = folder / "model.safetensors";
  if (std::filesystem::exists(index, ignored)) return open_by_index(folder, index, single, sink);
  if (std::filesystem::exists(single, ignored)) return open_safetensors(single);
  return open_of_other_name(folder, sink);
}

}  // namespace lieq::io
