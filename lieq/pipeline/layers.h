#pragma once
/// One quantisation from its plan to its folder, as the jobs quantize and sweep run it.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/bit_plan.h"
#include "lieq/base/json.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/pipeline/calibrate.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quantized_layer.h"
#include "lieq/save/embeddings.h"
#include "lieq/save/run_folder.h"

namespace lieq::pipeline {

/// What a run is made of once all inputs are read. What is pointed to must outlive it.
struct LayersJob {
  const eval::Bundle* bundle = nullptr;
  const Calibration* calibration = nullptr;
  std::string source;      ///< the model as the user named it
  std::string model_hash;  ///< model::fingerprint of it
  quantize::Options options;
  BitPlan plan;
  std::vector<quantize::LayerWidths> widths;  ///< widths_of(plan)
  std::optional<LayerScores> scores;          ///< what the plan was made from, if anything
  save::EmbeddingPlan embeddings;             ///< how embedding and head are saved; decides nothing of the layers
};

/// What a recipe asks of a model whatever widths its linears get: said before anything takes long. Errors:
/// kInvalidArgument, kUnsupported.
[[nodiscard]] Result<void> check_recipe(const model::Model& model, const quantize::Options& recipe);

/// Whether every linear can be quantised and packed so, said before the work starts. Errors: kInvalidArgument,
/// kUnsupported.
[[nodiscard]] Result<void> check(const LayersJob& job);

/// Everything that decides the bytes of the result.
[[nodiscard]] Json fingerprint_of(const LayersJob& job);

/// Finishes every layer in the run folder; those that lie there already are taken as they are. Returns a report on each
/// linear ("linears" of lieq.json). folder: the first rank's; null on others, which need no files.
/// Errors: those of LayerWalk and RunFolder; kCancelled, after which the finished layers lie in the folder.
[[nodiscard]] Result<Json> quantize_layers(const LayersJob& job, const save::RunFolder* folder, Threads& threads,
                                           Sink& sink);

/// Whether all ranks have the first one's fingerprint, and so the same model and options. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_same_on_ranks(const Json& fingerprint, Ranks& ranks);

/// What lieq.json says of where a model came from.
[[nodiscard]] Json provenance_of(const LayersJob& job, Json linears);

/// Whether the result is a GGUF file of K blocks, which no folder holds.
[[nodiscard]] inline bool makes_gguf(const quantize::Options& options) { return options.grid == quantize::Grid::kK; }

/// Gives layer l; called once a layer, in order.
using LayerSource = std::function<Result<quantize::QuantizedLayer>(std::size_t)>;

/// The source as it lies in its files with other layers in its place. Embedding and head are those of the job. Errors:
/// those of Model::load and of `layer`.
[[nodiscard]] Result<model::Model> with_layers(const LayersJob& job, const LayerSource& layer, Threads& threads);

/// Writes the finished layers as a model: a Hugging Face folder in GPTQ packing, or a GGUF file.
/// Errors: those of save::write_gptq_folder and save::export_model.
[[nodiscard]] Result<void> save_layers(const LayersJob& job, const LayerSource& layer, const Json& provenance,
                                       const std::filesystem::path& output, Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
