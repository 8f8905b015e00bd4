#include "lieq/pipeline/output.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/layers.h"

namespace lieq::pipeline {
namespace {

namespace fs = std::filesystem;

/// K blocks need a file, all others a folder.
Result<void> check_name(const QuantizeOptions& options) {
  const bool is_file = fs::path(options.output).extension() == ".gguf";
  if (!options.from.empty()) {
    if (!is_file) return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: found a file, expected a folder (--to gguf for a file beside it)", options.output));
  }
  if (is_file == makes_gguf(options.recipe)) return {};
  const std::string_view grid = quantize::name(options.recipe.grid);
  return fail(
      ErrorCode::kInvalidArgument,
      is_file ? fmt::format("{}: found a file, expected a folder, which grid {} makes (--to gguf for a file beside "
                            "it, or --grid q2_k)",
                            options.output, grid)
              : fmt::format("{}: found no ending, expected .gguf, since grid {} makes a file", options.output, grid));
}

}  // namespace

Result<void> check_replaced(const fs::path& replaced, const QuantizeOptions& options) {
  std::error_code ignored;
  const fs::path whole = fs::weakly_canonical(replaced, ignored);
  for (const std::string& read : {options.model, options.from}) {
    if (read.empty() || !fs::exists(read, ignored)) continue;
    const fs::path one = fs::weakly_canonical(read, ignored);
    if (std::ranges::mismatch(whole, one).in1 == whole.end())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: is or holds the model that is read, expected another name", replaced.string()));
  }
  return {};
}

Result<void> check_output(const QuantizeOptions& options) {
  LIEQ_TRY(check_name(options));
  std::error_code ignored;
  if (!fs::exists(options.output, ignored)) return io::prepare_output(options.output);
  if (!options.force)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: exists, expected a new folder (or --force to replace it)", options.output));
  LIEQ_TRY(check_replaced(options.output, options));
  return io::prepare_output(options.output + ".partial-trial");
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, ignored))
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  return bytes;
}

Result<io::FolderLock> lock_of(const QuantizeOptions& options) {
  return io::FolderLock::take_new(options.output + ".partial", options.output);
}

Result<void> publish(const fs::path& made, const QuantizeOptions& options) {
  std::error_code error;
  if (options.force) fs::remove_all(options.output, error);
  fs::rename(made, options.output, error);
  if (error)
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot be made of {}: {}", options.output, made.string(), error.message()));
  return {};
}

}  // namespace lieq::pipeline
