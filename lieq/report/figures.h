#pragma once
/// Results to figures: one function for each family.

#include <string>
#include <vector>

#include "lieq/report/figure.h"
#include "lieq/report/results.h"

namespace lieq::report {

/// What belongs to one original model and to those made from it. Points into Results.
struct Subject {
  std::string label;
  std::vector<const Evaluation*> evaluations;
  /// With the name of the quantised model whose lieq.json has it, or "".
  std::vector<std::pair<std::string, const LayerScores*>> scores;  ///< all different
  std::vector<std::pair<std::string, const BitPlan*>> plans;
  std::vector<const Quantised*> quantised;
  std::vector<const Sweep*> sweeps;
};

/// Results by original model, in the order of the files. A model belongs to the first one of its evaluation, or to the
/// source that its lieq.json names.
[[nodiscard]] std::vector<Subject> subjects_of(const Results& results);

/// A number worth a glance: "4.0× smaller".
struct Tile {
  std::string name, value, text;
};

// Figures that a subject has results for; none where it has not.
[[nodiscard]] std::vector<Tile> tiles_of(const Subject& subject);
[[nodiscard]] std::vector<Figure> quality_figures(const Subject& subject);
[[nodiscard]] std::vector<Figure> sweep_figures(const Subject& subject);
/// The metrics against depth (LieQ, arXiv:2508.03332, Figure 2).
[[nodiscard]] Figure depth_figure(const LayerScores& scores);
/// The layers over pairs of metrics (Figure 1). chosen: layers to be marked; why: what the legend calls them.
[[nodiscard]] Figure taxonomy_figure(const LayerScores& scores, const std::vector<std::size_t>& chosen,
                                     const std::string& why);
[[nodiscard]] std::vector<Figure> diagnosis_figures(const Subject& subject);
[[nodiscard]] std::vector<Figure> plan_figures(const Subject& subject);
[[nodiscard]] std::vector<Figure> loss_figures(const Subject& subject);
/// Speed of whole models and of single products (Figure 4): of no one subject.
[[nodiscard]] std::vector<Figure> speed_figures(const Results& results);

}  // namespace lieq::report
