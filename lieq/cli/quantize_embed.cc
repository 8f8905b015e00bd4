#include "lieq/cli/quantize_embed.h"

#include <fmt/format.h>

#include "lieq/base/records.h"
#include "lieq/eval/perplexity.h"

namespace lieq::cli {

Result<void> recommend_embed_bits(std::optional<unsigned> bits, const EmbedTrial& trial, Json& provenance,
                                  Threads& threads, Sink& sink) {
  constexpr double kMostCost = 0.001;
  constexpr unsigned kDefault = 8;
  if (bits == 16U) return {};
  LIEQ_ASSIGN(const model::Model rounded, model::Model::load(trial.folder, threads, sink, {bits.value_or(kDefault)}));
  if (!bits && !rounded.config.tie_word_embeddings) return {};
  const model::Model* const models[] = {&rounded};
  LIEQ_ASSIGN(const auto scores,
              eval::score_windows(models, trial.ids, trial.window, threads, kernels::Compute::kF32, sink));
  EvalRecord record;
  eval::summarise(scores[0], record);
  const double cost = record.perplexity / trial.perplexity - 1;
  const bool recommended = bits || cost < kMostCost;
  fmt::print(
      "embedding and head in {} bits: perplexity {:.4f} instead of {:.4f} ({:+.3f} %){}\n", bits.value_or(kDefault),
      record.perplexity, trial.perplexity, 100 * cost,
      recommended ? "; lieq.json says to run with them (--embed-bits 16 overrides)" : ": too dear, left as stored");
  provenance["embed_trial"] = {{"bits", bits.value_or(kDefault)}, {"perplexity", record.perplexity}, {"cost", cost}};
  if (recommended) provenance["embed_bits"] = bits.value_or(kDefault);
  return {};
}

}  // namespace lieq::cli
