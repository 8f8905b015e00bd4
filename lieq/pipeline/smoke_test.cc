#include "lieq/pipeline/smoke_test.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "lieq/eval/generate.h"
#include "lieq/eval/generation_config.h"
#include "lieq/eval/repetition.h"
#include "lieq/pipeline/builtin_text.h"

namespace lieq::pipeline {
namespace {

using text::TokenId;

constexpr std::size_t kNewTokens = 64;
/// Small models repeat themselves when they are greedy: what counts is how much more the quantised one does.
constexpr double kMostAdded = 0.25;

struct Prompt {
  const char *kind, *text;
};
constexpr std::array kPrompts = {
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

/// Runs one model through prompts.
class Speaker {
 public:
  Speaker(const model::Model& model, const eval::Bundle& bundle, Threads& threads, Sink& sink)
      : model_(model), bundle_(bundle), state_(model, threads, kernels::Compute::kInt8) {
    options_.max_new_tokens = kNewTokens;
    options_.stop_tokens = eval::stop_tokens(bundle, {});
    options_.cancelled = [&sink] { return sink.cancelled(); };
  }

  Result<Continuation> go_on(std::span<const TokenId> prompt) {
    const std::size_t limit = model_.config.max_position_embeddings;
    eval::Sequence sequence(model_.config, std::min(limit, prompt.size() + kNewTokens));
    const auto generation = eval::generate(model_, prompt, options_, state_, sequence, [](TokenId) { return true; });
    if (!generation && generation.error().code == ErrorCode::kNumerical) return Continuation{"", 1};  // broken
    if (!generation) return fail(generation.error().code, generation.error().message);
    return Continuation{bundle_.tokenizer.decode(generation->tokens, text::SpecialText::kKeep),
                        eval::repeated_share(generation->tokens)};
  }

 private:
  const model::Model& model_;
  const eval::Bundle& bundle_;
  eval::GenerateOptions options_;
  model::RunState state_;
};

}  // namespace

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
  const Rendering rendering(original);
  Speaker first(original.model, original, threads, sink), second(made, original, threads, sink);
  SmokeTest test;
  for (std::size_t p = 0; p < kPrompts.size(); ++p) {
    LIEQ_TRY(check_cancelled(sink));
    sink.progress("continuing prompts", p, kPrompts.size());
    const Prompt& prompt = kPrompts[p];
    const bool chat = std::string_view(prompt.kind) == "chat";
    if (chat && !rendering.has_template()) continue;
    const std::vector<TokenId> ids =
        chat ? rendering.chat(OrderedJson::array({{{"role", "user"}, {"content", prompt.text}}}), true)
             : rendering.text(prompt.text);
    if (ids.empty() || ids.size() >= original.model.config.max_position_embeddings) continue;
    LIEQ_ASSIGN(Continuation before, first.go_on(ids));
    LIEQ_ASSIGN(Continuation after, second.go_on(ids));
    test.answers.push_back(
        {prompt.kind, prompt.text, std::move(before.text), std::move(after.text), before.repeats, after.repeats});
  }
  sink.progress("continuing prompts", kPrompts.size(), kPrompts.size());
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
