#include <memory>

#include "lieq/cli/bench_shape.h"
#include "lieq/cli/command.h"

namespace lieq::cli {

Run add_bench(CLI::App& app, const Common& common) {
  const auto options = std::make_shared<BenchShapeOptions>();
  app.add_option("--shape", options->shapes, "A linear, INxOUT (repeatable)")->required()->delimiter(',');
  app.add_option("--bits", options->bits, "Widths of packed weights")->capture_default_str()->delimiter(',')->check(CLI::IsMember({2U, 3U, 4U, 8U}));
  app.add_option("--tokens", options->tokens, "Numbers of tokens")->capture_default_str()->delimiter(',')->check(CLI::Range(1, 1 << 16));
  app.add_option("--group-size", options->group_size, "Weights that share a scale")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  app.add_option("--seconds", options->seconds, "Time for each kernel at each number of tokens")->capture_default_str()->check(CLI::Range(0.0, 60.0));
  app.add_option("--inputs", options->inputs, "How packed weights take inputs")->capture_default_str()->check(CLI::IsMember({"int8", "fp32", "both"}));
  app.add_flag("!--no-dense", options->dense, "Leave dense weights out");
  app.add_option("--output,-o", options->output, "Write the records as JSON");
  return [options, &common]() -> Result<void> {
    Threads threads(common.threads);
    return bench_shapes(*options, threads);
  };
}

}  // namespace lieq::cli
