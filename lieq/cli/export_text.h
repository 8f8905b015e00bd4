#pragma once
/// What is said of exports: by export, and by quantize --to.

#include <string>

#include "lieq/save/export.h"

namespace lieq::cli {

/// "gguf, gptq, ..."
[[nodiscard]] std::string target_names();
/// A line for each target: who reads it.
[[nodiscard]] std::string target_help();
/// Where it lies, its size, and what is not exactly the source's.
[[nodiscard]] std::string export_text(const save::ExportRecord& record);

}  // namespace lieq::cli
