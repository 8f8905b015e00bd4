#pragma once
/// From measured metrics to one score and one rank for each layer (PAPER section 2).

#include <optional>
#include <vector>

#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"

namespace lieq::diagnose {

/// Fills alpha, beta and gamma of `options`: those given, and for the others 1/3 each with score "lieq", and 0, 1/2,
/// 1/2 with "geometry", which uses no perplexity drop. Errors: kInvalidArgument when they are negative or do not sum to
/// 1, and when "geometry" is given an alpha.
[[nodiscard]] Result<void> set_weights(ScoreOptions& options, std::optional<double> alpha, std::optional<double> beta,
                                       std::optional<double> gamma);

/// Errors: kInvalidArgument naming the option: words that are none, weights that do not sum to 1, counts of 0.
[[nodiscard]] Result<void> check_options(const ScoreOptions& options);

/// Ranks by score: 1 is the highest, ties go to the lower layer.
void rank_by_score(std::vector<LayerScore>& layers);

/// Computes everything in `scores.layers` but weights and sensitivities, the correlations of the cells, and the
/// warnings, from the cells' metrics and the options:
/// metrics of a layer are the plain means over the cells; each is normalised across the layers (Eq. 8-9); the score is
/// s_l = alpha dPPL'_l + beta dr'_l + gamma dE'_l (Eq. 10); rank 1 is the highest score, ties go to the lower layer.
/// "log" takes sign(dPPL) log(1 + |dPPL|), since removing a layer may also help, and then min-max for all three.
/// Warns when two metrics hardly correlate and when one layer leaves min-max nothing to tell the others apart.
/// Options must have passed check_options; with alpha > 0 every cell has perplexity drops.
void score_layers(LayerScores& scores);

}  // namespace lieq::diagnose
