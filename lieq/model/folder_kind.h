#pragma once
/// Private to model/: folders that hold something else than a model, told apart by what they do hold.

#include <filesystem>

#include "lieq/base/result.h"

namespace lieq::model {

/// Errors: kNotFound or kUnsupported with the way out for a folder of GGUF files, of a LoRA adapter, or of weights in
/// another format than safetensors.
[[nodiscard]] Result<void> check_folder(const std::filesystem::path& folder);

}  // namespace lieq::model
