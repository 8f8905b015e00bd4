#include <memory>

#include "lieq/cli/bench_model.h"
#include "lieq/cli/bench_shape.h"
#include "lieq/cli/command.h"
#include "lieq/cli/run_options.h"

namespace lieq::cli {
namespace {

struct Options {
  BenchModelOptions model;
  BenchShapeOptions shape;
  std::string output;
};

void add_model_options(CLI::App& app, BenchModelOptions& options) {
  app.add_option("-p,--n-prompt", options.speed.prompt_tokens, "Tokens of the prompt test; 0: none")
      ->capture_default_str()->check(CLI::Range(0, 1 << 24));
  app.add_option("-n,--n-gen", options.speed.new_tokens, "Tokens of the decoding test; 0: none")
      ->capture_default_str()->check(CLI::Range(0, 1 << 24));
  app.add_option("-r,--repetitions", options.speed.repetitions, "Measured runs of each test")
      ->capture_default_str()->check(CLI::Range(1, 1 << 20));
  add_embed_bits(app, options.load);
  add_activations(app, options.activations);
  app.add_flag("--json", options.json, "Print the records as JSON instead of tables");
}

void add_shape_options(CLI::App& app, CLI::Option* shape, BenchShapeOptions& options) {
  app.add_option("--bits", options.bits, "With --shape: widths of packed weights")
      ->capture_default_str()->delimiter(',')->check(CLI::IsMember({2U, 3U, 4U, 8U}))->needs(shape);
  app.add_option("--tokens", options.tokens, "With --shape: numbers of tokens")
      ->capture_default_str()->delimiter(',')->check(CLI::Range(1, 1 << 16))->needs(shape);
  app.add_option("--group-size", options.group_size, "With --shape: weights that share a scale")
      ->capture_default_str()->check(CLI::Range(1, 1 << 20))->needs(shape);
  app.add_option("--inputs", options.inputs, "With --shape: how packed weights take inputs")
      ->capture_default_str()->check(CLI::IsMember({"int8", "fp32", "both"}))->needs(shape);
  app.add_flag("!--no-dense", options.dense, "With --shape: leave dense weights out")->needs(shape);
  app.add_option("--seconds", options.seconds, "With --shape: time for each kernel at each number of tokens")
      ->capture_default_str()->check(CLI::Range(0.0, 60.0))->needs(shape);
}

}  // namespace

Run add_bench(CLI::App& app, const Common& common) {
  const auto options = std::make_shared<Options>();
  CLI::Option* models = app.add_option("MODEL", options->model.models, "Hugging Face model folders or .gguf files");
  CLI::Option* shape =
      app.add_option("--shape", options->shape.shapes, "Instead of models: a linear, INxOUT (repeatable)")
          ->delimiter(',')
          ->excludes(models);
  add_model_options(app, options->model);
  add_shape_options(app, shape, options->shape);
  app.add_option("--output,-o", options->output, "Write the records as JSON");
  return [options, &common]() -> Result<void> {
    if (options->model.models.empty() && options->shape.shapes.empty())
      return fail(ErrorCode::kInvalidArgument, "bench: found nothing to measure, expected a MODEL or --shape");
    Threads threads(common.threads);
    options->model.output = options->shape.output = options->output;
    return options->shape.shapes.empty() ? bench_models(options->model, threads)
                                         : bench_shapes(options->shape, threads);
  };
}

}  // namespace lieq::cli
