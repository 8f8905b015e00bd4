/// Looks again at finished layers (pipeline/loss_aware.h): look_again_bench MODEL TEXT RUN.partial [--NAME VALUE ...]
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "lieq/pipeline/loss_aware.h"
#include "lieq/pipeline/refine.h"
#include "lieq/pipeline/sources.h"
#include "lieq/model/fingerprint.h"

using namespace lieq;

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

struct Printing : Sink {
  void warn(std::string_view text) override { std::printf("warning: %.*s\n", int(text.size()), text.data()); std::fflush(stdout); }
  void note(std::string_view text) override { std::printf("%.*s\n", int(text.size()), text.data()); std::fflush(stdout); }
};

int main(int argc, char** argv) {
  std::map<std::string, double> a;
  for (int i = 4; i + 1 < argc; i += 2) a[argv[i] + 2] = std::atof(argv[i + 1]);
  const auto get = [&](const char* name, double otherwise) { return a.contains(name) ? a[name] : otherwise; };
  Threads threads(2);
  Printing sink;
  eval::Bundle bundle = must(pipeline::load_bundle(argv[1], threads, sink, model::LoadOptions::unrounded()));
  pipeline::CalibrationOptions c;
  c.source = argv[2];
  c.windows = static_cast<std::size_t>(get("windows", 0));
  c.window = static_cast<std::size_t>(get("window", 0));
  c.validation_tokens = static_cast<std::size_t>(get("validation", 8192));
  const pipeline::Calibration calibration = must(pipeline::calibrate(bundle, c, threads, sink));
  std::string folder = argv[3];
  const std::string partial = ".partial";
  folder.resize(folder.size() - partial.size());
  const Json fingerprint = must(read_json(folder + ".partial/fingerprint.json"));
  const save::RunFolder run = must(save::RunFolder::open(folder, fingerprint));
  pipeline::LayersJob job;
  job.bundle = &bundle;
  job.calibration = &calibration;
  job.options.grid = must(quantize::grid_from_name(fingerprint["options"]["grid"].get<std::string>()));
  job.options.group_size = fingerprint["options"]["group_size"].get<std::size_t>();
  job.embeddings = save::embeddings_as_stored(bundle.model);
  pipeline::LossAwareOptions o;
  o.rounds = static_cast<std::size_t>(get("rounds", 3));
  o.tokens = static_cast<std::size_t>(get("tokens", 32768));
  o.caution = get("caution", 4);
  o.damping = get("damping", 0.1);
  o.sweeps = static_cast<std::size_t>(get("sweeps", 1));
  o.tries = static_cast<std::size_t>(get("tries", 3));
  o.fisher_tokens = static_cast<std::size_t>(get("fisher", 4096));
  const auto layer = [&](std::size_t l) { return run.read(l); };
  if (get("refine", 0) > 0) {
    pipeline::RefineOptions r;
    r.steps = static_cast<std::size_t>(get("steps", 40));
    r.tokens = static_cast<std::size_t>(get("tokens", 1536));
    r.rate = get("rate", 3e-3);
    const auto refined = must(pipeline::refine(job, r, run, threads, sink));
    for (const auto& [step, kl] : refined.record.history) std::printf("step %zu KL %.4f\n", step, kl);
    return 0;
  }
  const auto look = must(pipeline::look_again(job, o, layer, threads, sink));
  std::printf("KL %.4f -> %.4f\n", look.record.start, look.record.best);
}
