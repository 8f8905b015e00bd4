/// A program outside the project: loads a model through the installed headers and prints its perplexity on a text.

#include <cstdio>

#include <lieq/eval/bundle.h>
#include <lieq/eval/perplexity.h>
#include <lieq/text/corpus.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  lieq::Threads threads(lieq::physical_cores());
  lieq::Sink sink;
  const auto bundle = lieq::eval::Bundle::load(argv[1], threads, sink);
  const auto text = lieq::text::read_text(argv[2], lieq::text::Join::kWhole, sink);
  if (!bundle || !text) return 1;
  const auto ids = bundle->tokenizer.encode(*text, lieq::text::SpecialTokens::kAdd);
  const lieq::model::Model* model = &bundle->model;
  const auto scores = lieq::eval::score_windows({&model, 1}, std::span(ids).first(1024), 256, threads,
                                                lieq::kernels::Compute::kF32, sink);
  if (!scores) return 1;
  lieq::EvalRecord record;
  lieq::eval::summarise(scores->front(), record);
  std::printf("perplexity %.4f\n", record.perplexity);
  return record.perplexity > 1 ? 0 : 1;
}
