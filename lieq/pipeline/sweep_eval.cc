#include "lieq/pipeline/sweep_eval.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/record_fields.h"
#include "lieq/pipeline/calibrate.h"
#include "lieq/eval/text_tasks.h"
#include "lieq/hub/data_sets.h"
#include "lieq/model/fingerprint.h"

namespace lieq::pipeline {

Json to_json(const Original& original) {
  Json answers = Json::array();
  for (const eval::Answers& task : original.answers) {
    std::string marks;
    for (const char right : task.acc) marks += right ? '1' : '0';
    answers.push_back(marks);
  }
  return {{"record", original.record}, {"answers", std::move(answers)}};
}

Result<Original> original_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  Original original;
  LIEQ_ASSIGN(const Json* record, required_object(fields, "record"));
  original.record = *record;
  LIEQ_ASSIGN(const Json* answers, required_list(fields, "answers"));
  for (const Json& marks : *answers) {
    if (!marks.is_string()) return wrong_field(place, "answers", marks, "strings of 0 and 1");
    eval::Answers& task = original.answers.emplace_back();
    for (const char mark : marks.get<std::string>()) task.acc.push_back(mark == '1');
  }
  return original;
}

Result<SweepEvaluation> SweepEvaluation::create(EvaluateOptions options, bool kl, const eval::Bundle& original,
                                                const std::string& label, Sink& sink) {
  LIEQ_TRY(check(options));
  SweepEvaluation evaluation(std::move(options), kl, original, label);
  LIEQ_ASSIGN(evaluation.questions_, read_questions(evaluation.options_, sink, true));
  LIEQ_TRY(evaluation.find_texts(sink));
  if (kl && evaluation.texts_.empty())
    return fail(ErrorCode::kInvalidArgument, "--kl: found no text, expected --text or a perplexity task in --tasks");
  LIEQ_TRY(evaluation.describe(sink));
  return evaluation;
}

/// The perplexity tasks, each with its file, and the user's own text.
Result<void> SweepEvaluation::find_texts(Sink& sink) {
  const std::string own = std::filesystem::path(options_.text).filename().string();
  EvaluateOptions without_text = options_;
  without_text.text.clear();
  for (const std::string& task : questions_.texts) {
    if (task == own)
      return fail(ErrorCode::kInvalidArgument, fmt::format("--text: found {}, which is among --tasks already", own));
    LIEQ_ASSIGN(const TextTask text, text_task_of(without_text, task, sink));
    texts_.push_back({task, text.file, text.options});
  }
  if (!options_.text.empty()) {
    LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(options_.text, sink));
    texts_.push_back({own, file, own_text_options_of(options_, file)});
  }
  for (Text& text : texts_)
    if (text.options.window == 0 && text.options.protocol == eval::Protocol::kGptq)
      text.options.window = std::min<std::size_t>(2048, original_->model.config.max_position_embeddings);
  return {};
}

/// Fingerprint and size, from what will be run.
Result<void> SweepEvaluation::describe(Sink& sink) {
  std::string words;
  for (const eval::TaskItems& task : questions_.items)
    for (const eval::Item& item : task.items) {
      std::string parts;
      for (const std::string& context : item.contexts) parts += context + '\n';
      for (const std::string& continuation : item.continuations) parts += continuation + '\n';
      tokens_ += original_->tokenizer.encode(parts, text::SpecialTokens::kNone).size();
      words += fmt::format("{}{}\n", parts, item.gold);
    }
  fingerprint_ = {{"tasks", fmt::format("{}", fmt::join(options_.tasks, ","))},
                  {"limit", options_.limit},
                  {"num_fewshot", options_.num_fewshot},
                  {"questions", model::fingerprint(words.data(), words.size())},
                  {"compute", compute_name(options_.compute)},
                  {"kl", kl_},
                  {"texts", ""}};
  std::string texts;
  for (const Text& text : texts_) {
    LIEQ_ASSIGN(const eval::EvalText documents, eval::read_eval_text(text.file, text.options, sink));
    LIEQ_ASSIGN(const eval::TextPlan plan, eval::plan_text(documents, *original_, text.options, text.file.string()));
    std::size_t tokens = 0;
    for (const eval::Window& window : plan.plan.windows) tokens += window.size;
    tokens_ += kl_ ? 2 * tokens : tokens;
    texts += fmt::format("{}{}: {} tokens in windows of {} by {} ({})", texts.empty() ? "" : "; ", text.task, tokens,
                         plan.window, plan.stride, hash_of(plan.plan.ids));
  }
  fingerprint_["texts"] = texts;
  return {};
}

Result<Json> SweepEvaluation::run(const eval::Bundle& bundle, const std::string& label, const Original* original,
                                  std::vector<eval::Answers>* answers, Threads& threads, Sink& sink) const {
  LIEQ_ASSIGN(TaskRun run, run_choice_tasks(options_, questions_, bundle, label, label, threads, sink));
  if (original && !run.answers.empty()) compare(questions_, label_, original->answers, run.answers, run.results);
  const bool beside = kl_ && original;
  EvaluatedModels models{{&bundle}, {label}};
  if (beside) models = {{original_, &bundle}, {label_, label}};
  for (const Text& text : texts_) {
    LIEQ_ASSIGN(const auto records, evaluate_text(options_, text.file.string(), text.options, models, threads, sink));
    if (options_.tasks.empty()) return to_json(records.back());
    add_text(text.task, records.back(), run.results);
  }
  if (answers) *answers = std::move(run.answers);
  return to_json(run.results);
}

Result<Original> SweepEvaluation::evaluate_original(Threads& threads, Sink& sink) const {
  Original original;
  LIEQ_ASSIGN(original.record, run(*original_, label_, nullptr, &original.answers, threads, sink));
  return original;
}

Result<Json> SweepEvaluation::evaluate(const eval::Bundle& bundle, const std::string& label, const Original& original,
                                       Threads& threads, Sink& sink) const {
  return run(bundle, label, &original, nullptr, threads, sink);
}

}  // namespace lieq::pipeline
