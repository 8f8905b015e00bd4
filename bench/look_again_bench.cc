/// score MODEL RUN.partial TEXT WINDOWS c c c
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "lieq/eval/bundle.h"
#include "lieq/eval/perplexity.h"
#include "lieq/pipeline/layers.h"
#include "lieq/pipeline/sources.h"
#include "lieq/text/corpus.h"

using namespace lieq;
template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}
int main(int argc, char** argv) {
  Threads threads(2);
  Sink sink;
  eval::Bundle bundle = must(pipeline::load_bundle(argv[1], threads, sink, model::LoadOptions::unrounded()));
  std::string folder = argv[2];
  folder.resize(folder.size() - 8);
  const save::RunFolder run = must(save::RunFolder::open(folder, must(read_json(folder + ".partial/fingerprint.json"))));
  pipeline::LayersJob job;
  job.bundle = &bundle;
  job.embeddings = save::embeddings_as_stored(bundle.model);
  const std::string text = must(text::read_text(argv[3], text::Join::kWhole, sink, "text"));
  auto ids = bundle.tokenizer.encode(text, text::SpecialTokens::kAdd);
  ids.resize(std::min<std::size_t>(ids.size(), 2048 * static_cast<std::size_t>(std::atoi(argv[4]))));
  std::vector<model::Model> models;
  std::vector<const model::Model*> all = {&bundle.model};
  models.reserve(16);
  for (int i = 5; i < argc; ++i) {
    models.push_back(must(pipeline::with_layers(job, [&](std::size_t l) { return run.read(l); }, threads)));
    for (float& w : models.back().norm) w *= static_cast<float>(std::atof(argv[i]));
    all.push_back(&models.back());
  }
  const auto scores = must(eval::score_windows(all, ids, 2048, threads, kernels::Compute::kF32, sink));
  for (std::size_t m = 0; m < all.size(); ++m) {
    EvalRecord record;
    eval::summarise(scores[m], record);
    std::printf("%s ppl %.3f KL %.4f\n", m == 0 ? "original" : argv[4 + m], record.perplexity, m == 0 ? 0.0 : *record.kl);
  }
}
