#pragma once
/// Arguments that may name something on the hub.

#include <filesystem>
#include <string>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"

namespace lieq::pipeline {

/// The model of a folder, a .gguf file or a repository: ORG/NAME[@REVISION][:QUANT], fetched unless it is in the cache
/// (hub::find_model, which then reads the environment variables of huggingface_hub).
/// Errors: those of find_model and Bundle::load.
[[nodiscard]] Result<eval::Bundle> load_bundle(const std::string& model, Threads& threads, Sink& sink,
                                               const model::LoadOptions& options = {});

/// The data of a task: in `folder` (eval::locate) unless that is empty or has none but the cache does; otherwise those
/// of the hub, fetched unless they are there. What `folder` was to give is never fetched. Errors: those of eval::locate
/// and hub::find_data.
[[nodiscard]] Result<std::filesystem::path> find_task_data(const std::string& name, const std::string& folder,
                                                           Sink& sink);

}  // namespace lieq::pipeline
