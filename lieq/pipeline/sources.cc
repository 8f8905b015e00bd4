#include "lieq/pipeline/sources.h"

#include "lieq/eval/task_files.h"
#include "lieq/hub/data_sets.h"
#include "lieq/hub/pull.h"

namespace lieq::pipeline {

Result<eval::Bundle> load_bundle(const std::string& model, Threads& threads, Sink& sink,
                                 const model::LoadOptions& options) {
  LIEQ_ASSIGN(const std::filesystem::path path, hub::find_model(model, sink));
  return eval::Bundle::load(path, threads, sink, options);
}

Result<std::filesystem::path> find_task_data(const std::string& name, const std::string& folder, Sink& sink) {
  if (!folder.empty()) {
    auto found = eval::locate(name, folder);
    if (found || !hub::is_here(name).value_or(false)) return found;
  }
  return hub::find_data(name, sink);
}

}  // namespace lieq::pipeline
