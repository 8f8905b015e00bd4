#include "lieq/save/export.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/io/atomic_file.h"
#include "lieq/save/folder_exports.h"
#include "lieq/save/gguf_export.h"
#include "lieq/save/temporary_path.h"

namespace lieq::save {
namespace {

bool is_embedding(const TensorDifference& difference) {
  return difference.name == "model.embed_tokens.weight" || difference.name == "lm_head.weight";
}

double largest(const std::vector<TensorDifference>& all, bool embeddings) {
  double most = 0;
  for (const TensorDifference& one : all)
    if (is_embedding(one) == embeddings) most = std::max(most, one.largest_difference);
  return most;
}

Result<std::vector<WrittenFile>> list_files(const std::filesystem::path& path, const std::filesystem::path& output) {
  std::vector<WrittenFile> files;
  std::error_code error;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error))
      if (entry.is_regular_file(error))
        files.push_back({std::filesystem::relative(entry.path(), path).string(), entry.file_size(error)});
  } else {
    files.push_back({output.filename().string(), std::filesystem::file_size(path, error)});
  }
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be listed: {}", output.string(), error.message()));
  std::ranges::sort(files, [](const WrittenFile& a, const WrittenFile& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.name < b.name;
  });
  return files;
}

std::size_t count_tensors(const model::Model& model) {
  std::size_t count = 0;
  for (const model::TensorSpec& spec : model::tensor_table(model.config))
    if (spec.required) count += spec.per_layer ? model.layers.size() : 1;
  return count;
}

/// Writes, reads back and compares: everything between the temporary name and the final one.
Result<ExportRecord> made_at(const std::filesystem::path& path, const Target& target, const model::Model& model,
                             const ExportOptions& options, Threads& threads, Sink& sink) {
  LIEQ_TRY(target.write(model, options, path, threads, sink));
  ExportRecord record;
  record.target = target.name;
  record.source = model.path;
  record.output = options.output;
  record.tensors = count_tensors(model);
  LIEQ_ASSIGN(const model::Model written, model::Model::load(path, threads, sink, model::LoadOptions::as_stored()));
  LIEQ_ASSIGN(record.differences, compare_models(model, written, threads));
  LIEQ_TRY(target.store(record, path));
  LIEQ_ASSIGN(record.files, list_files(path, options.output));
  return record;
}

}  // namespace

std::uintmax_t ExportRecord::bytes() const {
  std::uintmax_t total = 0;
  for (const WrittenFile& file : files) total += file.bytes;
  return total;
}

double ExportRecord::largest_difference() const { return largest(differences, false); }
double ExportRecord::largest_embedding_difference() const { return largest(differences, true); }

Json to_json(const ExportRecord& record) {
  Json differences = Json::object();
  for (const TensorDifference& one : record.differences)
    differences[one.name] = {{"largest_difference", one.largest_difference}, {"largest_value", one.largest_value}};
  return {{"target", record.target},
          {"source", record.source.filename().string()},
          {"tensors", record.tensors},
          {"exact_tensors", record.tensors - record.differences.size()},
          {"largest_difference", record.largest_difference()},
          {"largest_embedding_difference", record.largest_embedding_difference()},
          {"differences", std::move(differences)}};
}

Result<DType> embed_type(std::string_view name) {
  constexpr std::array kTypes = {DType::kF16,  DType::kBF16, DType::kF32, DType::kQ8_0,
                                 DType::kQ6_K, DType::kQ5_1, DType::kQ4_0};
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  for (const DType type : kTypes)
    if (upper == lieq::name(type)) return type;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("type of the embedding: found {}, expected f16, bf16, f32, q8_0, q6_k, q5_1 or q4_0",
                          in_quotes(name)));
}

std::span<const Target* const> targets() {
  static constexpr std::array kTargets = {&kGgufTarget, &kGptqTarget, &kGptqV2Target, &kCompressedTensorsTarget,
                                          &kAwqTarget,  &kMlxTarget,  &kHfFp16Target};
  return kTargets;
}

Result<const Target*> find_target(std::string_view name) {
  std::string known;
  for (const Target* target : targets()) {
    if (target->name == name) return target;
    known.append(known.empty() ? "" : ", ").append(target->name);
  }
  return fail(ErrorCode::kInvalidArgument, fmt::format("target: found {}, expected one of {}", in_quotes(name), known));
}

std::filesystem::path default_output(const Target& target, const std::filesystem::path& model) {
  std::filesystem::path base = model;
  if (!base.has_filename()) base = base.parent_path();
  if (base.extension() == ".gguf") base.replace_extension();
  base += target.extension;
  return base;
}

Result<void> store_in_folder(const ExportRecord& record, const std::filesystem::path& path) {
  const std::filesystem::path file = path / "lieq.json";
  Json json = Json::object();
  if (std::filesystem::exists(file)) {
    LIEQ_ASSIGN(json, read_json(file));
  }
  json["export"] = to_json(record);
  return io::write_json(file, json);
}

Result<ExportRecord> export_model(const Target& target, const model::Model& model, const ExportOptions& options,
                                  Threads& threads, Sink& sink) {
  std::error_code ignored;
  if (std::filesystem::exists(options.output, ignored))
    return fail(ErrorCode::kInvalidArgument, options.output.string() + ": exists already, expected a new name");
  LIEQ_TRY(target.check(model, options));
  TemporaryPath temporary(options.output);
  if (target.is_folder) LIEQ_TRY(temporary.make_folder());
  LIEQ_ASSIGN(ExportRecord record,
              temporary.of_target(made_at(temporary.path(), target, model, options, threads, sink)));
  LIEQ_TRY(model.files.unchanged());
  LIEQ_TRY(temporary.rename());
  return record;
}

}  // namespace lieq::save
