#include <memory>

#include "lieq/base/json.h"
#include "lieq/cli/bench_text.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/cli/run_options.h"
#include "lieq/io/atomic_file.h"
#include "lieq/terminal/console.h"

namespace lieq::cli {
namespace bench_verb {

struct Options {
  pipeline::BenchModelsOptions model;
  pipeline::BenchShapeOptions shape;
  std::string output, activations = "int8";
  bool json = false;  ///< instead of the tables
};

void add_model_options(OptionSet& app, Options& all) {
  pipeline::BenchModelsOptions& options = all.model;
  app.add("-p,--n-prompt", options.speed.prompt_tokens, "Tokens of the prompt test; 0: none")
      .show_default().range(0, 1 << 24);
  app.add("-n,--n-gen", options.speed.new_tokens, "Tokens of the decoding test; 0: none")
      .show_default().range(0, 1 << 24);
  app.add("-r,--repetitions", options.speed.repetitions, "Measured runs of each test").show_default().range(1, 1 << 20);
  add_embed_bits(app, options.load);
  add_activations(app, all.activations);
  app.flag("--json", all.json, "Print the records as JSON instead of tables");
}

void add_shape_options(OptionSet& app, const Option& shape, pipeline::BenchShapeOptions& options) {
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

Result<Json> bench_models(const Options& options, Threads& threads) {
  pipeline::BenchModelsOptions job = options.model;
  job.compute = activations_of(options.activations);
  terminal::Console console;
  LIEQ_ASSIGN(const pipeline::ModelSpeeds speeds, pipeline::bench_models(job, threads, console));
  Json json = to_json(speeds, job);
  show(options.json ? indented(json) + "\n" : speeds_text(speeds, job));
  return json;
}

Result<Json> bench_shapes(const Options& options, Threads& threads) {
  LIEQ_ASSIGN(const pipeline::ShapeTimes times, pipeline::bench_shapes(options.shape, threads));
  show(shapes_text(times, options.shape.seconds));
  return to_json(times);
}

Result<void> run(const Options& options, const Common& common) {
  const bool shapes = !options.shape.shapes.empty();
  if (options.model.models.empty() && !shapes)
    return fail(ErrorCode::kInvalidArgument, "bench: found nothing to measure, expected a MODEL or --shape");
  if (!options.output.empty()) LIEQ_TRY(io::prepare_output(options.output));
  Threads threads(common.threads);
  LIEQ_ASSIGN(const Json json, shapes ? bench_shapes(options, threads) : bench_models(options, threads));
  return options.output.empty() ? Result<void>() : io::write_json(options.output, json);
}

}  // namespace bench_verb

Run add_bench(OptionSet& app, const Common& common) {
  using namespace bench_verb;
  const auto options = std::make_shared<Options>();
  const Option& models = app.add("MODEL", options->model.models, "Hugging Face model folders or .gguf files");
  const Option& shape = app.add("--shape", options->shape.shapes, "Instead of models: a linear, INxOUT (repeatable)")
      .comma_separated().excludes(models);
  add_model_options(app, *options);
  add_shape_options(app, shape, options->shape);
  app.add("--output,-o", options->output, "Write the records as JSON");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
