#pragma once
/// A model, as read, in the container of another engine. No weight of a layer is quantised again: codes and scales are
/// carried over, and what a container cannot hold exactly is refused or, where only a number is rounded, said.
///
/// To add a container: a file save/NAME_export.cc that defines one Target, its declaration in save/NAME_export.h, and a
/// line in targets() (export.cc). What a target may lean on:
///   linear_codes.h   codes, scales and zero points of any linear, and what can be said of them without reading them
///   compare.h        the vectors and matrices of a model by the rows of its tensor table
///   small_files.h    config.json without quantization_config, tokenizer and chat template as Hugging Face files
///   temporary_path.h, io/safetensors_writer.h
/// Everything around write() is done by export_model(): refusing before, reading back and comparing after, the record,
/// and the final name; so a target neither verifies nor renames.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"
#include "lieq/save/compare.h"

namespace lieq::save {

struct ExportOptions {
  std::filesystem::path output;  ///< a folder or a file, as the target makes; must not exist
  /// Type of the embedding and of a head of its own. Nothing: as the source holds them, or the nearest that is no
  /// smaller. A target refuses in check() what it cannot hold.
  std::optional<DType> embed = std::nullopt;
  /// The weights in memory are not those of the files the model was read from: a model that has just been quantised.
  bool changed = false;
  std::string tool = "lieq";     ///< "lieq:0.1.0", for fields that name who made a file
};

/// Reads f16, bf16, f32, q8_0, q6_k, q5_1 or q4_0, in either case. Errors: kInvalidArgument naming them.
[[nodiscard]] Result<DType> embed_type(std::string_view name);

struct WrittenFile {
  std::string name;  ///< relative to the output, or the file's own name
  std::uintmax_t bytes = 0;
};

/// What an export made.
struct ExportRecord {
  std::string target;
  std::filesystem::path source, output;
  std::vector<WrittenFile> files;             ///< largest first
  std::size_t tensors = 0;                    ///< compared
  std::vector<TensorDifference> differences;  ///< all others are exact

  [[nodiscard]] std::uintmax_t bytes() const;
  /// Over the layers' linears, norms and biases: what a container's rounding costs; 0: all exact.
  [[nodiscard]] double largest_difference() const;
  /// Over embedding and head, whose type may be asked for.
  [[nodiscard]] double largest_embedding_difference() const;
};
[[nodiscard]] Json to_json(const ExportRecord& record);

/// A row of the table.
struct Target {
  std::string_view name;       ///< "gguf"
  std::string_view what;       ///< one line for help: who reads it
  bool is_folder;              ///< otherwise a file
  std::string_view extension;  ///< of the default output: ".gguf", "-awq"

  /// Whether the model fits, before anything is written. Errors: kUnsupported or kInvalidArgument, one line that names
  /// the tensor, what it holds, what the container holds, and the nearest grid, width or target that would do.
  Result<void> (*check)(const model::Model& model, const ExportOptions& options);
  /// Writes to `path` (a folder that exists and is empty, or a file that is not there), which is not options.output.
  Result<void> (*write)(const model::Model& model, const ExportOptions& options, const std::filesystem::path& path,
                        Threads& threads, Sink& sink);
  /// Puts the record into what was written at `path`; store_in_folder() for folders.
  Result<void> (*store)(const ExportRecord& record, const std::filesystem::path& path);
};

/// In the order help lists them.
[[nodiscard]] std::span<const Target* const> targets();
/// Errors: kInvalidArgument listing the names.
[[nodiscard]] Result<const Target*> find_target(std::string_view name);

/// MODEL.gguf or MODEL-awq beside the model: MODEL without a .gguf of its own.
[[nodiscard]] std::filesystem::path default_output(const Target& target, const std::filesystem::path& model);

/// "export" in lieq.json of the folder; other fields of that file stay.
[[nodiscard]] Result<void> store_in_folder(const ExportRecord& record, const std::filesystem::path& path);

/// check(), write() under a temporary name, read back, compare_models(), store(), rename.
/// model: loaded with LoadOptions::as_stored(), so that blocks of GGUF lie as in their file.
/// Errors: those of check(); kInvalidArgument when the output exists; kIo; kInvalidFormat when what was written does
/// not read back as the source. After an error nothing is left.
[[nodiscard]] Result<ExportRecord> export_model(const Target& target, const model::Model& model,
                                                const ExportOptions& options, Threads& threads, Sink& sink);

}  // namespace lieq::save
