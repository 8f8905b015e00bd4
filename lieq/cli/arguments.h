#pragma once
/// MODEL and TEXT arguments that may name something on the hub.

#include <string>

#include "lieq/base/labels.h"
#include "lieq/base/result.h"
#include "lieq/eval/bundle.h"

namespace lieq::cli {

/// What the help says a MODEL may be.
inline constexpr const char* kModelHelp = "A Hugging Face model folder, a .gguf file, or ORG/NAME[:QUANT] on the hub";

/// The model of a folder, a .gguf file or a repository (hub::find_model). Errors: those of find_model and Bundle::load.
[[nodiscard]] Result<eval::Bundle> load_bundle(const std::string& model, Threads& threads, Sink& sink,
                                               const model::LoadOptions& options = {});

}  // namespace lieq::cli
