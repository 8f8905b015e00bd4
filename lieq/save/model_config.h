#pragma once
/// config.json of a model that has none: one read from a GGUF file (internal to save/).

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/model/model.h"

namespace lieq::save {

/// Sizes, features and rotary embedding in the words of the family's class in transformers.
/// Errors: those of rope_scaling().
[[nodiscard]] Result<Json> config_from_model(const model::Model& model);

/// One id as a number, several as a list.
[[nodiscard]] Json json_ids(const std::vector<std::uint64_t>& all);

}  // namespace lieq::save
