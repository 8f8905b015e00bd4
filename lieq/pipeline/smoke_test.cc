#include "lieq/pipeline/smoke_test.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "lieq/eval/generation_config.h"
#include "lieq/eval/repetition.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/softmax.h"
#include "lieq/model/forward.h"
#include "lieq/pipeline/builtin_text.h"

namespace lieq::pipeline {
namespace {

using text::TokenId;

constexpr std::string_view kStage = "continuing prompts";
/// Small models repeat themselves when they are greedy: what counts is how much more the quantised one does.
constexpr double kMostAdded = 0.25;

struct Prompt {
  const char *kind, *text;
};
constexpr std::array<Prompt, kSmokePrompts> kPrompts = {
    Prompt{"prose", "The city lies on the banks of a wide river. In the Middle Ages"},
    Prompt{"prose", "According to a report published on Tuesday, the number of"},
    Prompt{"code", "def fibonacci(n):\n"},
    Prompt{"code",
           "import csv\n\n\ndef read_rows(path):\n    \"\"\"Return the rows of a CSV file as dictionaries.\"\"\"\n"},
    Prompt{"chat", "Why is the sky blue?"},
    Prompt{"chat", "Write a Python function that counts the words of a text."},
};

struct Continuation {
  std::string text;
  double repeats = 0;
};

/// A prompt and what a model makes of it.
struct Answer {
  Answer(const model::ModelConfig& config, std::size_t context) : cache(config, context) {}
  model::KvCache cache;
  std::vector<TokenId> tokens;
  bool broken = false, ended = false;
};

/// Runs one model through prompts, side by side: a step reads its weights once for all of them, which is what a token
/// costs where they are larger than the machine's memory.
class Speaker {
 public:
  Speaker(const model::Model& model, const eval::Bundle& bundle, Threads& threads, Sink& sink)
      : model_(model),
        bundle_(bundle),
        stops_(eval::stop_tokens(bundle, {})),
        sink_(sink),
        prompts_(model, threads, kernels::Compute::kInt8),
        steps_(model, threads, {kernels::Compute::kInt8, true}) {}

  /// first_step: where `sink` is told that this begins, of so many steps.
  Result<std::vector<Continuation>> go_on(std::span<const std::vector<TokenId>> prompts, std::size_t first_step,
                                          std::size_t steps) {
    const std::size_t limit = model_.config.max_position_embeddings;
    std::vector<Answer> answers;
    for (const std::vector<TokenId>& prompt : prompts) {
      LIEQ_TRY(check_cancelled(sink_));
      answers.emplace_back(model_.config, std::min(limit, prompt.size() + kSmokeTokens));
      Answer* one[] = {&answers.back()};
      run(prompt, one, prompts_);
    }
    for (std::size_t step = 0; step < kSmokeTokens; ++step) {
      LIEQ_TRY(check_cancelled(sink_));
      sink_.progress(kStage, first_step + step, steps);
      std::vector<Answer*> going;
      std::vector<TokenId> last;
      for (Answer& answer : answers) {
        if (answer.ended || answer.tokens.size() == kSmokeTokens || answer.cache.length() == answer.cache.capacity())
          continue;
        going.push_back(&answer);
        last.push_back(answer.tokens.back());
      }
      if (!going.empty()) run(last, going, steps_);
    }
    std::vector<Continuation> all;
    for (const Answer& answer : answers) {
      if (answer.broken) {
        all.push_back({"", 1});
      } else {
        all.push_back(
            {bundle_.tokenizer.decode(answer.tokens, text::SpecialText::kKeep), eval::repeated_share(answer.tokens)});
      }
    }
    return all;
  }

 private:
  /// Runs `ids`, as many for each of the answers, and adds a token to each.
  void run(std::span<const TokenId> ids, std::span<Answer* const> answers, model::RunState& state) {
    const std::size_t count = ids.size() / answers.size();
    std::vector<model::SequenceSpan> sequences;
    for (Answer* answer : answers) sequences.push_back({count, &answer->cache});
    const MatrixView<float> hidden = hidden_.matrix(ids.size(), model_.config.hidden_size);
    model::forward(model_, ids, sequences, state, hidden);
    for (std::size_t a = 0; a < answers.size(); ++a)
      if (count > 1) std::ranges::copy(hidden.row((a + 1) * count - 1), hidden.row(a).begin());
    const MatrixView<float> logits = logits_.matrix(answers.size(), model_.config.vocab_size);
    model::logits(model_, hidden.rows(0, answers.size()), state, logits);
    for (std::size_t a = 0; a < answers.size(); ++a) add_token(logits.row(a), *answers[a]);
  }

  void add_token(std::span<const float> logits, Answer& answer) const {
    answer.broken = !std::isfinite(kernels::log_sum_exp(logits));
    const auto token = static_cast<TokenId>(answer.broken ? 0 : kernels::arg_max(logits));
    answer.ended = answer.broken || std::ranges::count(stops_, token) > 0;
    if (!answer.ended) answer.tokens.push_back(token);
  }

  const model::Model& model_;
  const eval::Bundle& bundle_;
  std::vector<TokenId> stops_;
  Sink& sink_;
  model::RunState prompts_;  ///< as lieq run computes them
  model::RunState steps_;    ///< the same for one token of each, whose sums do not depend on the others
  kernels::Buffer<float> hidden_, logits_;
};

/// What both models go on from.
struct Opening {
  Prompt prompt;
  std::vector<TokenId> ids;
};

std::vector<Opening> openings_of(const eval::Bundle& original) {
  const Rendering rendering(original);
  std::vector<Opening> openings;
  for (const Prompt& prompt : kPrompts) {
    const bool chat = std::string_view(prompt.kind) == "chat";
    if (chat && !rendering.has_template()) continue;
    std::vector<TokenId> ids =
        chat ? rendering.chat(OrderedJson::array({{{"role", "user"}, {"content", prompt.text}}}), true)
             : rendering.text(prompt.text);
    if (ids.empty() || ids.size() >= original.model.config.max_position_embeddings) continue;
    openings.push_back({prompt, std::move(ids)});
  }
  return openings;
}

}  // namespace

std::size_t smoke_prompts(const eval::Bundle& original) { return openings_of(original).size(); }

bool SmokeTest::failed() const { return made_repeats > original_repeats + kMostAdded; }

Json to_json(const SmokeTest& test) {
  Json answers = Json::array();
  for (const SmokeAnswer& answer : test.answers)
    answers.push_back({{"kind", answer.kind},
                       {"prompt", answer.prompt},
                       {"original", answer.original},
                       {"made", answer.made},
                       {"original_repeats", answer.original_repeats},
                       {"made_repeats", answer.made_repeats}});
  return {{"original_repeats", test.original_repeats},
          {"made_repeats", test.made_repeats},
          {"failed", test.failed()},
          {"answers", std::move(answers)}};
}

Result<SmokeTest> smoke_test(const eval::Bundle& original, const model::Model& made, Threads& threads, Sink& sink) {
  const std::vector<Opening> openings = openings_of(original);
  std::vector<std::vector<TokenId>> prompts;
  for (const Opening& opening : openings) prompts.push_back(opening.ids);
  constexpr std::size_t kSteps = 2 * kSmokeTokens;
  LIEQ_ASSIGN(std::vector<Continuation> before,
              Speaker(original.model, original, threads, sink).go_on(prompts, 0, kSteps));
  LIEQ_ASSIGN(std::vector<Continuation> after,
              Speaker(made, original, threads, sink).go_on(prompts, kSmokeTokens, kSteps));
  sink.progress(kStage, kSteps, kSteps);
  SmokeTest test;
  for (std::size_t p = 0; p < openings.size(); ++p)
    test.answers.push_back({openings[p].prompt.kind, openings[p].prompt.text, std::move(before[p].text),
                            std::move(after[p].text), before[p].repeats, after[p].repeats});
  const auto count = static_cast<double>(std::max<std::size_t>(1, test.answers.size()));
  for (const SmokeAnswer& answer : test.answers) {
    test.original_repeats += answer.original_repeats / count;
    test.made_repeats += answer.made_repeats / count;
  }
  return test;
}

std::string smoke_warning(const SmokeTest& test, const std::string& name) {
  return fmt::format(
      "{}: {:.0f} % of the 4-grams in what it writes are repetitions, of the original's {:.0f} %: expect it to go in "
      "circles",
      name, 100 * test.made_repeats, 100 * test.original_repeats);
}

}  // namespace lieq::pipeline
