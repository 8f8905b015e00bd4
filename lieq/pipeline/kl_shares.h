#pragma once
/// What the rounding of each linear adds to KL, measured in a draft: the whole model quantised with little care.

#include <filesystem>
#include <string>

#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/pipeline/calibrate.h"
#include "lieq/quantize/options.h"

namespace lieq::pipeline {

/// How the draft is made of a recipe: the same grid and groups, one sweep.
[[nodiscard]] quantize::Options draft_of(const quantize::Options& recipe);

/// Quantises every layer to `bits` as `draft` says, on the first 16384 calibration tokens, or about four fifths of
/// fewer, and shares out the KL of up to 4096 tokens behind them (tune::attribute_kl) into scores.layers[].linears; a
/// single window is both. scores.layers[].weights must be there. Memory: LayerWalk's and the packed layers of the
/// draft. Cost: a quarter of quantising 64k tokens, about. Bitwise the same for any number of threads and ranks.
/// Errors: kUnsupported naming a feature of the model that the backward pass lacks, said before the draft is made;
/// kCancelled; those of LayerWalk.
[[nodiscard]] Result<void> add_kl_shares(const eval::Bundle& bundle, const Calibration& calibration,
                                         const quantize::Options& draft, unsigned bits, Threads& threads, Sink& sink,
                                         LayerScores& scores);

/// The same without a diagnosis: layers are scored and ranked by their shares for each weight. name: the model as the
/// user named it. cache: a folder where scores are kept by all that decides them, so that a run that goes on, or comes
/// after its --dry-run, makes no draft again; empty, or with several ranks: nowhere. Errors: those of add_kl_shares().
[[nodiscard]] Result<LayerScores> score_by_kl_shares(const eval::Bundle& bundle, const std::string& name,
                                                     const Calibration& calibration, const quantize::Options& draft,
                                                     unsigned bits, const std::filesystem::path& cache,
                                                     Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
