#pragma once
/// A diagnosis as text.

#include <string>

#include "lieq/base/layer_scores.h"

namespace lieq::report {

/// A row for each layer, one for each corpus and bucket, and how the score was made.
[[nodiscard]] std::string scores_text(const LayerScores& scores);

}  // namespace lieq::report
