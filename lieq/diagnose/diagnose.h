#pragma once
/// Passages through a model -> LayerScores: the whole of the paper's diagnosis.

#include <cstddef>
#include <span>
#include <string>

#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/diagnose/passages.h"
#include "lieq/model/model.h"

namespace lieq::diagnose {

/// Tokens of one batch of the geometry, or of one passage that is longer: bounds its memory.
inline constexpr std::size_t kGeometryTokens = 4096;

struct DiagnoseOptions {
  ScoreOptions score;                         ///< set_weights (score.h) fills its weights
  bool perplexity_drop = false;               ///< measure it even where the score does not use it
  std::size_t memory = std::size_t{1} << 30;  ///< bytes for the activations of the perplexity drop
};

/// What the geometry of some cells has to do.
struct GeometryLoad {
  std::size_t passages = 0, tokens = 0;  ///< of all batches
  std::size_t batches = 0;
  std::size_t batch = 0, longest = 0;  ///< tokens of the largest batch, and of the longest passage
  std::size_t draws = 0;               ///< random matrices beside each trained one
};
[[nodiscard]] GeometryLoad geometry_load(std::span<const Cell> cells, const ScoreOptions& options);

/// What scores and plans remember of a model. `name`: as the user named it.
[[nodiscard]] ModelFacts facts_of(const model::Model& model, const std::string& name);

/// Measures and scores every layer on `cells` (passages.h): the geometry on the representative passages of each cell,
/// the perplexity drop, if wanted, on all its passages.
/// Cost: geometry.h and perplexity_drop.h: the geometry is one forward pass over a few passages, the perplexity drop
/// about
/// L / 2 passes over all of them.
/// Errors: kInvalidArgument (options, no cells), and those of geometry() and removal_nll().
/// Deterministic for any thread count.
/// Source: LieQ, arXiv:2508.03332; score "lieq" is v1's (Eq. 10), "geometry" v2's proxy without the perplexity drop.
[[nodiscard]] Result<LayerScores> diagnose(const model::Model& model, const std::string& name,
                                           std::span<const Cell> cells, const DiagnoseOptions& options,
                                           Threads& threads, Sink& sink);

}  // namespace lieq::diagnose
