#pragma once
/// What ranks the layers of a sweep, measured once for all cells.

#include <map>
#include <string>
#include <vector>

#include "lieq/allocate/grid.h"
#include "lieq/pipeline/layers.h"
#include "lieq/pipeline/sweep_folder.h"
#include "lieq/pipeline/sweep.h"

namespace lieq::pipeline {

/// The scores that each criterion ranks by. `ranked` points into `scores`, whose entries keep their places when it
/// moves.
struct SweepScores {
  SweepScores() = default;
  SweepScores(SweepScores&&) = default;
  SweepScores(const SweepScores&) = delete;

  std::map<std::string, LayerScores> scores;  ///< by kind of score; of "sizes" the layers' weights only
  std::vector<allocate::RankedScores> ranked;
};

/// Diagnoses and measures what the criteria need and the folder does not hold, and keeps it there (scores.json).
/// compete: whether any cell leaves a choice between layers; otherwise nothing is measured.
/// Errors: those of diagnose_calibration and add_sensitivities.
[[nodiscard]] Result<SweepScores> sweep_scores(const SweepOptions& options,
                                               const std::vector<allocate::Criterion>& criteria, bool compete,
                                               const LayersJob& job, const SweepFolder& folder, Threads& threads,
                                               Sink& sink);

}  // namespace lieq::pipeline
