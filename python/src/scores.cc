/// Log-likelihoods of texts, as lm-evaluation-harness asks for them.

#include <string>
#include <utility>

#include <fmt/format.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "keywords.h"
#include "lieq/eval/choices.h"
#include "lieq/eval/perplexity.h"
#include "lieq/eval/prompt_encoder.h"
#include "lieq/eval/text_tasks.h"
#include "loaded_model.h"
#include "options.h"
#include "work.h"

namespace lieq::python {
namespace {

struct ScoreArguments {
  eval::ChoiceOptions choice;
  nb::object progress = nb::none();
  Keywords keywords;
  ScoreArguments() {
    keywords.add("max_length", choice.max_length, "tokens of an input; 0: the model's max_position_embeddings");
    add_compute(keywords, choice.compute);
    add_progress(keywords, progress);
  }
};

struct PairArguments : ScoreArguments {
  PairArguments() {
    keywords.add("batch_size", choice.batch_size, "requests that run together; 0: as many as make about 2048 tokens");
  }
};

using Score = std::pair<double, bool>;

std::vector<Score> loglikelihood(const LoadedModel& self, const std::vector<std::pair<std::string, std::string>>& pairs,
                                 const nb::kwargs& given) {
  PairArguments arguments;
  arguments.keywords.read("loglikelihood", given);
  std::vector<eval::Item> items(pairs.size());
  std::vector<const eval::Item*> asked;
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].place = fmt::format("request {}", i);
    items[i].contexts = {pairs[i].first};
    items[i].continuations = {pairs[i].second};
    items[i].choice_chars = {1};
    asked.push_back(&items[i]);
  }
  if (items.empty()) return {};
  const auto scores = run(arguments.progress, [&](Threads& threads, Sink& sink) {
    return eval::score_items(self.bundle, asked, arguments.choice, threads, sink);
  });
  std::vector<Score> found;
  for (const eval::ItemScores& one : scores) found.emplace_back(one.front().loglik, one.front().greedy);
  return found;
}

std::vector<double> loglikelihood_rolling(const LoadedModel& self, std::vector<std::string> texts,
                                          const nb::kwargs& given) {
  ScoreArguments arguments;
  arguments.keywords.read("loglikelihood_rolling", given);
  const eval::TextOptions options{.protocol = eval::Protocol::kLmEval, .window = arguments.choice.max_length};
  return run(arguments.progress, [&](Threads& threads, Sink& sink) -> Result<std::vector<double>> {
    const eval::EvalText text{std::move(texts), {}, {}};
    LIEQ_ASSIGN(const eval::TextPlan plan, eval::plan_text(text, self.bundle, options, "texts"));
    const model::Model* model = &self.bundle.model;
    LIEQ_ASSIGN(const auto scores, eval::score_plan({&model, 1}, plan.plan, threads, arguments.choice.compute, sink));
    std::vector<double> sums = eval::document_nll(scores.front(), plan);
    for (double& sum : sums) sum = -sum;
    return sums;
  });
}

nb::object prefix_token_id(const LoadedModel& self) {
  const auto id = value_of(eval::PromptEncoder::create(self.bundle)).prefix_token();
  return id ? nb::cast(*id) : nb::none();
}

}  // namespace

void define_scores(nb::class_<LoadedModel>& model) {
  def_with_keywords<PairArguments>(
      model, "loglikelihood", "self, pairs: collections.abc.Sequence[tuple[str, str]]", "list[tuple[float, bool]]",
      "log P(continuation | context) of each (context, continuation), and whether every token of the continuation is "
      "the most likely one. Texts are encoded as lm-evaluation-harness does; common beginnings run once.",
      &loglikelihood, nb::arg("pairs"));
  def_with_keywords<ScoreArguments>(model, "loglikelihood_rolling", "self, texts: collections.abc.Sequence[str]",
                                    "list[float]",
                                    "log P of each whole text, in windows as lm-evaluation-harness cuts them.",
                                    &loglikelihood_rolling, nb::arg("texts"));
  model.def_prop_ro("prefix_token_id", &prefix_token_id, nb::sig("def prefix_token_id(self) -> int | None"),
                    "What stands for 'nothing before': the tokenizer's BOS, else its EOS.");
}

}  // namespace lieq::python
