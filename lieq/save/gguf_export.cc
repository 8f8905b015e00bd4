#include "lieq/save/gguf_export.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/kernels/linear.h"
#include "lieq/save/gguf_blocks.h"
#include "lieq/save/gguf_features.h"
#include "lieq/save/gguf_metadata.h"
#include "lieq/save/gguf_writer.h"

namespace lieq::save {
namespace {

using model::Role;
using pack::StoredMatrix;

constexpr const char* kDifferenceKey = "lieq.export.largest_difference";
constexpr const char* kEmbeddingKey = "lieq.export.largest_embedding_difference";
constexpr std::size_t kSlabRows = 1024;

bool is_embedding(const model::TensorSpec& spec) { return spec.role == Role::kEmbedding || spec.role == Role::kHead; }

/// One tensor of the file and where its values come from.
struct Entry {
  GgufTensor info;
  std::vector<const StoredMatrix*> matrices = {};  ///< a matrix, or those whose rows follow each other, or
  std::vector<float> values;             ///< a vector, in the order of the file, or
  std::span<const std::byte> bytes;      ///< what is copied as it lies
  std::size_t head_dim = 0;              ///< not 0: rows go in interleaved order
  bool carries_codes = false;            ///< the matrix' codes become blocks as they are
};

/// The type a matrix gets. `embed`: what is asked for of embedding and head.
Result<DType> type_of(const model::Model& model, const model::TensorSpec& spec, const StoredMatrix& matrix,
                      std::optional<DType> embed) {
  const std::string place = model.path.string();
  if (embed && is_embedding(spec)) {
    if (matrix.cols % block_elements(*embed) == 0) return *embed;
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: tensor '{}': found rows of {}, {} holds multiples of {} (ask for {})", place,
                            matrix.name, matrix.cols, lieq::name(*embed), block_elements(*embed),
                            matrix.cols % block_elements(DType::kQ8_0) == 0 ? "q8_0 or q5_1" : "f16"));
  }
  if (!matrix.is_stored()) return block_type_of(matrix, place);
  if (io::ggml_type(matrix.type)) return matrix.type;
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: tensor '{}': found type {}, GGUF holds F32, F16, BF16 and its blocks", place,
                          matrix.name, lieq::name(matrix.type)));
}

/// A fused tensor has one type.
Result<void> same_type(const model::Model& model, const model::TensorSpec& spec, const StoredMatrix& matrix,
                       const GgufTensor& info) {
  LIEQ_ASSIGN(const DType type, type_of(model, spec, matrix, std::nullopt));
  if (is_embedding(spec) || type == info.type) return {};
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: tensor '{}': found parts of {} and {}, a fused tensor of gguf holds one type",
                          model.path.string(), info.name, lieq::name(info.type), lieq::name(type)));
}

Result<std::vector<Entry>> entries_from_table(const model::Model& model, const ExportOptions& options) {
  std::vector<Entry> entries;
  const auto add = [&](const model::TensorSpec& spec, std::size_t l) -> Result<void> {
    Entry entry;
    entry.info = {model::tensor_name(spec.gguf_name, l), DType::kF32, spec.shape};
    if (is_interleaved(model.config, spec)) entry.head_dim = model.config.head_dim;
    entry.matrices = matrices_of(model, spec, l);
    if (!entry.matrices.empty()) {
      const StoredMatrix& front = *entry.matrices.front();
      LIEQ_ASSIGN(entry.info.type, type_of(model, spec, front, options.embed));
      for (const StoredMatrix* matrix : entry.matrices) LIEQ_TRY(same_type(model, spec, *matrix, entry.info));
      entry.carries_codes = !front.is_stored() && block_type_of(front, model.path.string()) == entry.info.type;
    } else {
      const std::vector<float> values = vector_of(model, spec, l);
      for (std::size_t i = 0; i < values.size(); ++i)
        entry.values.push_back(values[entry.head_dim ? logical_row(i, entry.head_dim) : i]);
    }
    entries.push_back(std::move(entry));
    return {};
  };
  const std::vector<model::TensorSpec> table = model::tensor_table(model.config, model::Names::kGguf);
  for (const model::TensorSpec& spec : table)
    if (!spec.per_layer && spec.required) LIEQ_TRY(add(spec, 0));
  if (std::vector<float> divisors = rope_divisors(model.config); !divisors.empty()) {
    Entry entry;
    entry.info = {"rope_freqs.weight", DType::kF32, {divisors.size()}};
    entry.values = std::move(divisors);
    entries.push_back(std::move(entry));
  }
  for (const auto& [name, factors] : {std::pair{"rope_factors_long.weight", &model.config.rope.long_factor},
                                      {"rope_factors_short.weight", &model.config.rope.short_factor}}) {
    if (factors->empty()) continue;
    Entry entry;
    entry.info = {name, DType::kF32, {factors->size()}};
    entry.values = *factors;
    entries.push_back(std::move(entry));
  }
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    for (const model::TensorSpec& spec : table)
      if (spec.per_layer && spec.required) LIEQ_TRY(add(spec, l));
  return entries;
}

/// All tensors of a GGUF source in the order of its data, and embedding and head anew where that was asked for.
Result<std::vector<Entry>> entries_from_gguf(const model::Model& model, const ExportOptions& options) {
  std::map<std::string, const model::TensorSpec*, std::less<>> embeddings;
  const std::vector<model::TensorSpec> table = model::tensor_table(model.config, model::Names::kGguf);
  for (const model::TensorSpec& spec : table)
    if (is_embedding(spec) && spec.required) embeddings.emplace(spec.gguf_name, &spec);
  std::vector<Entry> entries;
  for (const auto& [name, tensor] : model.files.all()) {
    Entry entry;
    entry.info = {name, tensor.type, tensor.shape};
    entry.bytes = tensor.data;
    const auto found = embeddings.find(name);
    if (found != embeddings.end() && options.embed && *options.embed != tensor.type) {
      entry.matrices = matrices_of(model, *found->second, 0);
      LIEQ_ASSIGN(entry.info.type, type_of(model, *found->second, *entry.matrices.front(), options.embed));
    }
    entries.push_back(std::move(entry));
  }
  std::ranges::sort(entries, {}, [](const Entry& entry) { return entry.bytes.data(); });
  return entries;
}

Result<std::vector<Entry>> entries_of(const model::Model& model, const ExportOptions& options) {
  return model.format == "GGUF" && !options.changed ? entries_from_gguf(model, options)
                                                    : entries_from_table(model, options);
}

/// The type of most weights.
DType usual_type(const std::vector<Entry>& entries) {
  std::map<DType, std::size_t> weights;
  for (const Entry& entry : entries)
    if (entry.info.name.starts_with("blk."))
      for (const StoredMatrix* matrix : entry.matrices) weights[entry.info.type] += matrix->rows * matrix->cols;
  if (weights.empty()) return DType::kF32;  // a copy, whose metadata are those of the source
  return std::ranges::max_element(weights, {}, [](const auto& one) { return one.second; })->first;
}

/// Rows [first, first + count) of the file as bytes of the entry's type.
std::vector<std::byte> rows_of(Threads& threads, const Entry& entry, const StoredMatrix& matrix, std::size_t first,
                               std::size_t count) {
  const DType type = entry.info.type;
  const std::size_t row_bytes = matrix.cols / block_elements(type) * block_bytes(type);
  const auto logical = [&](std::size_t r) {
    return entry.head_dim ? logical_row(first + r, entry.head_dim) : first + r;
  };
  std::vector<std::byte> bytes(count * row_bytes);
  if (entry.carries_codes) {
    const LinearCodes codes = codes_of(threads, matrix, first, count);
    threads.for_each(count, [&](std::size_t r, std::size_t) {
      codes_to_blocks(codes, logical(r) - first, type, &bytes[r * row_bytes]);
    });
  } else if (matrix.is_stored() && matrix.type == type) {
    for (std::size_t r = 0; r < count; ++r) std::memcpy(&bytes[r * row_bytes], matrix.row(logical(r)), row_bytes);
  } else {
    threads.for_each(count, [&](std::size_t r, std::size_t) {
      std::vector<float> weights(matrix.cols);
      kernels::decode_row(matrix, logical(r), weights.data());
      round_to_blocks(type, weights, &bytes[r * row_bytes]);
    });
  }
  return bytes;
}

Result<void> write_entry(Threads& threads, const Entry& entry, GgufWriter& writer) {
  if (entry.matrices.empty())
    return writer.write(entry.info.name, entry.values.empty() ? entry.bytes : std::as_bytes(std::span(entry.values)));
  // Slabs must not cut a head whose rows are interleaved.
  const std::size_t slab = entry.head_dim ? entry.head_dim * std::max<std::size_t>(1, kSlabRows / entry.head_dim)
                                          : kSlabRows;
  for (const StoredMatrix* matrix : entry.matrices) {
    for (std::size_t first = 0; first < matrix->rows; first += slab) {
      const std::size_t count = std::min(slab, matrix->rows - first);
      LIEQ_TRY(writer.write(entry.info.name, rows_of(threads, entry, *matrix, first, count)));
    }
  }
  return {};
}

/// What GGUF has no keys for.
Result<void> check_rope(const model::Model& model) {
  const model::RopeConfig& rope = model.config.rope;
  const bool whole_ramp = rope.type == model::RopeType::kYarn && !rope.truncate;
  if (rope.type != model::RopeType::kDynamic && !whole_ramp) return {};
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: rope_type {}{}: gguf cannot say so, expected default, linear, yarn, longrope or llama3 "
                          "(hf-fp16 keeps it)",
                          model.path.string(), model::name(rope.type), whole_ramp ? " with truncate false" : ""));
}

Result<void> check(const model::Model& model, const ExportOptions& options) {
  LIEQ_TRY(check_rope(model));
  LIEQ_TRY(entries_of(model, options));
  LIEQ_TRY(gguf_metadata(model, DType::kF32, options.tool));
  return {};
}

Result<void> write(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                   Threads& threads, Sink& sink) {
  if (const std::string ignored = ignored_by_llama_cpp(model); !ignored.empty()) sink.warn(ignored);
  LIEQ_ASSIGN(const std::vector<Entry> entries, entries_of(model, options));
  LIEQ_ASSIGN(GgufFields fields, gguf_metadata(model, usual_type(entries), options.tool));
  if (options.changed) {
    fields.add("general.file_type", file_type(usual_type(entries)));
    fields.add("general.quantized_by", options.tool);
  }
  for (const char* key : {kDifferenceKey, kEmbeddingKey}) fields.add(key, 0.0F);
  std::vector<GgufTensor> infos;
  for (const Entry& entry : entries) infos.push_back(entry.info);
  LIEQ_ASSIGN(GgufWriter writer, GgufWriter::create(path, fields, std::move(infos)));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    LIEQ_TRY(write_entry(threads, entries[i], writer));
    sink.progress("gguf", i + 1, entries.size());
  }
  return std::move(writer).finish();
}

/// Overwrites the two numbers where they lie.
Result<void> store(const ExportRecord& record, const std::filesystem::path& path) {
  LIEQ_ASSIGN(const io::MappedFile mapped, io::MappedFile::open(path));
  LIEQ_ASSIGN(const io::Gguf gguf, io::parse_gguf(mapped.bytes(), mapped.name()));
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (const auto& [name, value] : {std::pair{kDifferenceKey, record.largest_difference()},
                                    {kEmbeddingKey, record.largest_embedding_difference()}}) {
    const auto key = std::ranges::find(gguf.keys, std::string_view(name), &io::GgufKey::name);
    LIEQ_CHECK(key != gguf.keys.end() && key->value.size() == sizeof(float));
    const auto number = static_cast<float>(value);
    file.seekp(key->value.data() - mapped.bytes().data());
    file.write(reinterpret_cast<const char*>(&number), sizeof number);
  }
  file.close();
  if (!file) return fail(ErrorCode::kIo, path.string() + ": cannot be written");
  return {};
}

}  // namespace

const Target kGgufTarget = {.name = "gguf",
                            .what = "one file for llama.cpp and what is built on it",
                            .is_folder = false,
                            .extension = ".gguf",
                            .check = check,
                            .write = write,
                            .store = store};

}  // namespace lieq::save
