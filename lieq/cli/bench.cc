#include <memory>

#include "lieq/cli/bench_model.h"
#include "lieq/cli/command.h"
#include "lieq/cli/run_options.h"

namespace lieq::cli {

Run add_bench(CLI::App& app, const Common& common) {
  const auto options = std::make_shared<BenchModelOptions>();
  app.add_option("MODEL", options->models, "Hugging Face model folders or .gguf files")->required();
  app.add_option("-p,--n-prompt", options->speed.prompt_tokens, "Tokens of the prompt test; 0: none")
      ->capture_default_str()->check(CLI::Range(0, 1 << 24));
  app.add_option("-n,--n-gen", options->speed.new_tokens, "Tokens of the decoding test; 0: none")
      ->capture_default_str()->check(CLI::Range(0, 1 << 24));
  app.add_option("-r,--repetitions", options->speed.repetitions, "Measured runs of each test")
      ->capture_default_str()->check(CLI::Range(1, 1 << 20));
  add_embed_bits(app, options->load);
  add_activations(app, options->activations);
  app.add_option("--output,-o", options->output, "Write the records as JSON");
  app.add_flag("--json", options->json, "Print the records as JSON instead of tables");
  return [options, &common]() -> Result<void> {
    Threads threads(common.threads);
    return bench_models(*options, threads);
  };
}

}  // namespace lieq::cli
