#include "lieq/cli/arguments.h"

#include "lieq/hub/pull.h"

namespace lieq::cli {

Result<eval::Bundle> load_bundle(const std::string& model, Threads& threads, Sink& sink, const model::LoadOptions& options) {
  LIEQ_ASSIGN(const std::filesystem::path path, hub::find_model(model, sink));
  return eval::Bundle::load(path, threads, sink, options);
}

}  // namespace lieq::cli
