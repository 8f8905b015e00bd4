#include "lieq/pipeline/verdict.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/eval/perplexity.h"
#include "lieq/hub/data_sets.h"
#include "lieq/pipeline/evaluate.h"

namespace lieq::pipeline {

Result<HeldOut> held_out_of(const HeldOutRequest& request, const eval::Bundle& bundle, const Calibration& calibration,
                            Sink& sink) {
  if (request.text.empty())
    return HeldOut{calibration.source + " (held out)", calibration.held_out, calibration.window};
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(request.text, sink));
  eval::TextOptions reading;
  reading.kind = eval::kind_of(request.text, file);
  LIEQ_ASSIGN(const eval::EvalText text, eval::read_eval_text(file, reading, sink));
  HeldOut held{request.text, bundle.tokenizer.encode(text.documents[0], text::SpecialTokens::kAdd), request.window,
               reading.kind};
  const std::size_t limit = bundle.model.config.max_position_embeddings;
  if (held.window == 0) held.window = std::min<std::size_t>(2048, limit);
  if (held.window > limit)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--window: found {}, expected at most max_position_embeddings = {} of {}", held.window,
                            limit, bundle.model.path.string()));
  if (held.ids.size() < held.window)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: found {} tokens, expected at least one window of {}",
                                                         request.text, held.ids.size(), held.window));
  if (request.chunks > 0) held.ids.resize(std::min(held.ids.size(), request.chunks * held.window));
  return held;
}

Result<std::vector<EvalRecord>> score_both(const Scored& scored, const HeldOut& held, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const model::Model saved, model::Model::load(scored.made, threads, sink));
  const model::Model* const models[] = {scored.original, &saved};
  LIEQ_ASSIGN(const auto scores,
              eval::score_windows(models, held.ids, held.window, threads, kernels::Compute::kF32, sink));
  std::vector<EvalRecord> records;
  for (std::size_t m = 0; m < 2; ++m) {
    EvalRecord& record = records.emplace_back();
    record.model = m == 0 ? scored.original_name : scored.made_name;
    record.text = held.name;
    record.protocol = held.kind == eval::TextKind::kPlain ? "windows" : "gptq";
    record.compute = "fp32";
    record.window = held.window;
    describe_model(*models[m], record);
    eval::summarise(scores[m], record);
  }
  return records;
}

std::optional<std::string> warning_of(const std::vector<EvalRecord>& records) {
  const EvalRecord& made = records[1];
  if (made.perplexity <= kCollapse * records[0].perplexity) return std::nullopt;  // NaN is broken too
  return fmt::format("{}: perplexity {:.1f} on {} is more than {:g} times the original's {:.1f}: this model is broken",
                     made.model, made.perplexity, made.text, kCollapse, records[0].perplexity);
}

Result<double> perplexity_with_stored_embeddings(const Scored& scored, const HeldOut& held, Threads& threads,
                                                 Sink& sink) {
  LIEQ_ASSIGN(model::Model made, model::Model::load(scored.made, threads, sink));
  made.embed_tokens = scored.original->embed_tokens;
  made.lm_head = scored.original->lm_head;
  const model::Model* const models[] = {&made};
  LIEQ_ASSIGN(const auto scores,
              eval::score_windows(models, held.ids, held.window, threads, kernels::Compute::kF32, sink));
  EvalRecord record;
  eval::summarise(scores[0], record);
  return record.perplexity;
}

}  // namespace lieq::pipeline
