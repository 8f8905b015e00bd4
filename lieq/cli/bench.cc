#include <memory>

#include "lieq/cli/bench_model.h"
#include "lieq/cli/bench_shape.h"
#include "lieq/cli/command.h"
#include "lieq/cli/run_options.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {
namespace {

struct Options {
  BenchModelOptions model;
  BenchShapeOptions shape;
  std::string output;
};

void add_model_options(OptionSet& app, BenchModelOptions& options) {
  app.add("-p,--n-prompt", options.speed.prompt_tokens, "Tokens of the prompt test; 0: none")
      .show_default().range(0, 1 << 24);
  app.add("-n,--n-gen", options.speed.new_tokens, "Tokens of the decoding test; 0: none")
      .show_default().range(0, 1 << 24);
  app.add("-r,--repetitions", options.speed.repetitions, "Measured runs of each test").show_default().range(1, 1 << 20);
  add_embed_bits(app, options.load);
  add_activations(app, options.activations);
  app.flag("--json", options.json, "Print the records as JSON instead of tables");
}

void add_shape_options(OptionSet& app, const Option& shape, BenchShapeOptions& options) {
  app.add("--bits", options.bits, "With --shape: widths of packed weights")
      .show_default().comma_separated().one_of({2, 3, 4, 8}).needs(shape);
  app.add("--tokens", options.tokens, "With --shape: numbers of tokens")
      .show_default().comma_separated().range(1, 1 << 16).needs(shape);
  app.add("--group-size", options.group_size, "With --shape: weights that share a scale")
      .show_default().range(1, 1 << 20).needs(shape);
  app.add("--inputs", options.inputs, "With --shape: how packed weights take inputs")
      .show_default().one_of({"int8", "fp32", "both"}).needs(shape);
  app.flag("!--no-dense", options.dense, "With --shape: leave dense weights out").needs(shape);
  app.add("--seconds", options.seconds, "With --shape: time for each kernel at each number of tokens")
      .show_default().range(0.0, 60.0).needs(shape);
}

}  // namespace

Run add_bench(OptionSet& app, const Common& common) {
  const auto options = std::make_shared<Options>();
  const Option& models = app.add("MODEL", options->model.models, "Hugging Face model folders or .gguf files");
  const Option& shape = app.add("--shape", options->shape.shapes, "Instead of models: a linear, INxOUT (repeatable)")
      .comma_separated().excludes(models);
  add_model_options(app, options->model);
  add_shape_options(app, shape, options->shape);
  app.add("--output,-o", options->output, "Write the records as JSON");
  return [options, &common]() -> Result<void> {
    if (options->model.models.empty() && options->shape.shapes.empty())
      return fail(ErrorCode::kInvalidArgument, "bench: found nothing to measure, expected a MODEL or --shape");
    if (!options->output.empty()) LIEQ_TRY(io::prepare_output(options->output));
    Threads threads(common.threads);
    options->model.output = options->shape.output = options->output;
    return options->shape.shapes.empty() ? bench_models(options->model, threads)
                                         : bench_shapes(options->shape, threads);
  };
}

}  // namespace lieq::cli
