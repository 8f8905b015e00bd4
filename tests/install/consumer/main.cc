/// A program outside the project: quantises a model through the installed headers.

#include <cstdio>

#include <lieq/pipeline/quantize.h>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  lieq::pipeline::QuantizeOptions options;
  options.model = argv[1];
  options.output = argv[3];
  options.recipe.sweeps = 1;
  options.calibration.source = argv[2];
  options.calibration.windows = 4;
  options.calibration.window = 64;
  lieq::Threads threads(lieq::physical_cores());
  lieq::Sink sink;
  const auto made = lieq::pipeline::quantize(options, threads, sink);
  if (!made) return std::fprintf(stderr, "%s\n", made.error().message.c_str()), 1;
  std::printf("perplexity %.4f, was %.4f\n", made->records[1].perplexity, made->records[0].perplexity);
  return 0;
}
