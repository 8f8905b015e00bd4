#include "lieq/pipeline/evaluate.h"

#include <algorithm>
#include <chrono>
#include <span>

#include <fmt/format.h>

#include "lieq/eval/perplexity.h"
#include "lieq/pipeline/estimate.h"

namespace lieq::pipeline {
namespace {

/// The models whose tokens of the text are the same: only their logits can be compared.
struct Group {
  eval::TextPlan plan;
  std::vector<std::size_t> members;  ///< indices of models
};

Result<std::vector<Group>> group_by_tokens(const std::vector<const eval::Bundle*>& bundles, const eval::EvalText& text,
                                           const eval::TextOptions& options, const std::string& file, Sink& sink) {
  std::vector<Group> groups;
  for (std::size_t m = 0; m < bundles.size(); ++m) {
    LIEQ_ASSIGN(eval::TextPlan plan, eval::plan_text(text, *bundles[m], options, file));
    const auto fits = [&](const Group& group) {
      return group.plan.plan.ids == plan.plan.ids && group.plan.window == plan.window &&
             bundles[group.members[0]]->model.config.vocab_size == bundles[m]->model.config.vocab_size;
    };
    const auto found = std::ranges::find_if(groups, fits);
    if (found != groups.end()) {
      found->members.push_back(m);
      continue;
    }
    if (m > 0)
      sink.warn(fmt::format(
          "{}: its tokens for this text differ from those of {}: no KL or top-1 agreement, and its perplexity "
          "per token does not compare",
          bundles[m]->model.path.string(), bundles[0]->model.path.string()));
    groups.push_back({std::move(plan), {m}});
  }
  return groups;
}

std::string protocol_name(const eval::TextOptions& options) {
  if (options.protocol == eval::Protocol::kLlamaCpp) return "llamacpp";
  if (options.protocol == eval::Protocol::kLmEval) return "lm-eval";
  return options.kind == eval::TextKind::kPlain ? "windows" : "gptq";
}

}  // namespace

std::string compute_name(kernels::Compute compute) {
  if (compute == kernels::Compute::kBF16) return "bf16";
  return compute == kernels::Compute::kInt8 ? "int8" : "fp32";
}

void describe_model(const model::Model& model, EvalRecord& record) {
  const model::Footprint linears = linears_footprint(model);
  record.code_bits = linears.mean_code_bits();
  record.true_bits = linears.mean_true_bits();
  record.file_bytes = model.files.file_bytes();
}

eval::TextOptions text_options_of(const EvaluateOptions& options) {
  eval::TextOptions text;
  if (options.protocol) text.protocol = *options.protocol;
  text.window = options.window;
  text.stride = options.stride;
  text.chunks = options.chunks;
  text.limit = options.limit;
  text.field = options.field;
  return text;
}

eval::TextOptions own_text_options_of(const EvaluateOptions& options, const std::filesystem::path& file) {
  eval::TextOptions text = text_options_of(options);
  text.kind = options.rows ? eval::TextKind::kWikitext : eval::kind_of(options.text, file);
  return text;
}

Result<std::vector<EvalRecord>> evaluate_text(const EvaluateOptions& options, const std::string& file,
                                              const eval::TextOptions& text_options, const EvaluatedModels& models,
                                              Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const eval::EvalText text, eval::read_eval_text(file, text_options, sink));
  eval::TextOptions common =
      text_options;  // one window for all models: the least of their limits if none was asked for
  if (common.window == 0 && common.protocol == eval::Protocol::kGptq) {
    common.window = 2048;
    for (const eval::Bundle* bundle : models.bundles)
      common.window = std::min(common.window, bundle->model.config.max_position_embeddings);
  }
  LIEQ_ASSIGN(const std::vector<Group> groups, group_by_tokens(models.bundles, text, common, file, sink));
  std::vector<EvalRecord> records(models.bundles.size());
  for (const Group& group : groups) {
    std::vector<const model::Model*> members;
    for (const std::size_t m : group.members) members.push_back(&models.bundles[m]->model);
    std::size_t tokens = 0;
    for (const eval::Window& window : group.plan.plan.windows) tokens += window.size;
    tell("scoring the text", scoring_size(members, tokens, group.plan.window), threads, sink);
    const auto start = std::chrono::steady_clock::now();
    LIEQ_ASSIGN(const auto scores, eval::score_plan(members, group.plan.plan, threads, options.compute, sink));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      EvalRecord& record = records[group.members[i]];
      describe_model(models.bundles[group.members[i]]->model, record);
      record.model = models.labels[group.members[i]];
      record.text = file;
      record.protocol = protocol_name(text_options);
      record.compute = compute_name(options.compute);
      record.window = group.plan.window;
      if (group.plan.stride != group.plan.window) record.stride = group.plan.stride;
      record.seconds = seconds;
      eval::TokenScores own = scores[i];
      if (group.members[0] != 0) own.kl.clear(), own.top1.clear();  // only the first model of all is a reference
      eval::summarise(own, record);
      if (!group.plan.document_windows.empty()) eval::summarise_documents(own, text, group.plan, record);
    }
  }
  return records;
}

}  // namespace lieq::pipeline
