#pragma once
/// One quantisation from its plan to its folder, as quantize and sweep run it.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/cli/calibration.h"
#include "lieq/eval/bundle.h"
#include "lieq/quantize/options.h"
#include "lieq/save/run_folder.h"

namespace lieq::cli {

/// What a run is made of once all inputs are read. What is pointed to must outlive it.
struct QuantizeJob {
  const eval::Bundle* bundle = nullptr;
  const Calibration* calibration = nullptr;
  std::string source;      ///< the model as the user named it
  std::string model_hash;  ///< model::fingerprint of it
  quantize::Options options;
  BitPlan plan;
  std::vector<unsigned> layer_bits;   ///< widths_of(plan)
  std::optional<LayerScores> scores;  ///< what the plan was made from, if anything
};

/// The width of each layer. Errors: kInvalidArgument naming `place` and the layer: 16 bits, which quantising cannot
/// give.
[[nodiscard]] Result<std::vector<unsigned>> widths_of(const BitPlan& plan, const std::string& place);

/// Whether every linear can be quantised and packed so, said before the work starts. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_job(const QuantizeJob& job);

/// Everything that decides the bytes of the result.
[[nodiscard]] Json fingerprint_of(const QuantizeJob& job);

/// Finishes every layer in the run folder; those that lie there already are taken as they are. Returns a report on each
/// linear ("linears" of lieq.json). Errors: those of LayerWalk and RunFolder.
[[nodiscard]] Result<Json> quantize_layers(const QuantizeJob& job, const save::RunFolder& folder, Threads& threads,
                                           Sink& sink);

/// What lieq.json says of where a model came from.
[[nodiscard]] Json provenance_of(const QuantizeJob& job, Json linears);

/// Writes the finished layers of `folder` as a model. Errors: those of save::write_gptq_folder.
[[nodiscard]] Result<void> save_job(const QuantizeJob& job, const save::RunFolder& folder, const Json& provenance,
                                    const std::filesystem::path& output);

}  // namespace lieq::cli
