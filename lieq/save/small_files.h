#pragma once
/// Everything of a Hugging Face folder but the weights.

#include <filesystem>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/model/model.h"

namespace lieq::save {

/// Copies all small files of the model's folder into `target` (tokenizer, chat template, generation config, licence,
/// ...), leaving out weights, their index, config.json and earlier quantisation records; of folders only
/// additional_chat_templates/ is copied.
/// A GGUF model's tokenizer and chat template are written as tokenizer.json, tokenizer_config.json and
/// generation_config.json. Errors: kIo; kUnsupported for a GGUF tokenizer that has no tokenizer.json form here.
[[nodiscard]] Result<void> copy_small_files(const model::Model& model, const std::filesystem::path& target);

/// The model's config.json without a quantization_config; for a GGUF model one made from its metadata.
[[nodiscard]] Result<Json> base_config(const model::Model& model);

}  // namespace lieq::save
