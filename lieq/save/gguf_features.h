#pragma once
/// Keys of GGUF for what layers of a family do otherwise: windows, rotation, scales (internal to save/).

#include "lieq/base/result.h"
#include "lieq/model/model.h"
#include "lieq/save/gguf_writer.h"

namespace lieq::save {

/// Adds the keys that say what the model's configuration says beside its sizes.
/// Errors: kUnsupported where llama.cpp has no key for it or takes it as fixed: it names the field of config.json, what
/// it holds and what GGUF holds.
[[nodiscard]] Result<void> add_features(const model::Model& model, GgufFields& fields);

/// What llama.cpp is known to ignore of what add_features() writes; empty: nothing.
[[nodiscard]] std::string ignored_by_llama_cpp(const model::Model& model);

}  // namespace lieq::save
