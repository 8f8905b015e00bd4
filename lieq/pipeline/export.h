#pragma once
/// Job: a model in the containers of other engines, without quantising anything again.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/save/export.h"

namespace lieq::pipeline {

struct ExportOptions {
  std::string model;  ///< as load_bundle takes it: quantised by any tool whose folders are read, or dense
  std::vector<std::string> targets;  ///< names of save::targets(): "gguf", "mlx", ...
  /// For one target the file or folder to make; for several a folder in which each gets its default name. Empty: beside
  /// the model (save::default_output).
  std::string output;
  std::optional<DType> embed;  ///< as save::ExportOptions::embed
};

/// Checks all targets before the first is written: each refuses what it cannot hold. Then writes them one after the
/// other, reads each back and compares it with the source. written: told of each as it is finished.
/// Cost: reading and writing the weights once for each target. Cancelled between targets; those that are finished stay.
/// Errors: kInvalidArgument (no such target, an output that exists), kUnsupported naming tensor and nearest grid, kIo,
/// kCancelled. Nothing half-written is left.
[[nodiscard]] Result<std::vector<save::ExportRecord>> export_model(
    const ExportOptions& options, Threads& threads, Sink& sink,
    const std::function<void(const save::ExportRecord&)>& written = {});

}  // namespace lieq::pipeline
