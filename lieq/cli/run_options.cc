#include "lieq/cli/run_options.h"

#include <fmt/format.h>

namespace lieq::cli {

void add_embed_bits(OptionSet& app, model::LoadOptions& load) {
  app.add("--embed-bits", load.embed_bits,
          "Bits of embedding and head in memory; 16: as stored (default: what lieq.json recommends)")
      .one_of({4, 8, 16});
}

void add_activations(OptionSet& app, std::string& activations) {
  app.add("--activations", activations, "What packed weights are multiplied by: inputs rounded to int8, or fp32")
      .one_of({"int8", "fp32"}).show_default();
}

kernels::Compute activations_of(const std::string& activations) {
  return activations == "int8" ? kernels::Compute::kInt8 : kernels::Compute::kF32;
}

Result<void> check_context(std::size_t context, const model::Model& model) {
  const std::size_t most = model.config.max_position_embeddings;
  if (context <= most) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("--ctx-size: found {}, expected at most max_position_embeddings = {} of {}", context, most,
                          model.path.string()));
}

}  // namespace lieq::cli
