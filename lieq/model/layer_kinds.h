#pragma once
/// Private to the readers of configurations: which layers have a sliding window, and which are not rotated.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/model/config.h"
#include "lieq/model/config_check.h"

namespace lieq::model {

/// As the class of the family in transformers 5 reads config.json, here with the family's defaults in `fields`.
/// Errors: kInvalidFormat (a list of another length, a window of 0), kUnsupported (kinds of layers that are not run,
/// and keys that contradict each other).
[[nodiscard]] Result<std::vector<LayerKind>> layer_kinds_from_json(const Architecture& architecture,
                                                                   const Fields& fields, std::size_t layers,
                                                                   Sink& sink);

/// As llama.cpp reads "{architecture}.*". context: the promised number of positions. Errors: as above.
[[nodiscard]] Result<std::vector<LayerKind>> layer_kinds_from_gguf(const Architecture& architecture,
                                                                   const io::Gguf& gguf, std::size_t layers,
                                                                   std::size_t context, Sink& sink);

}  // namespace lieq::model
