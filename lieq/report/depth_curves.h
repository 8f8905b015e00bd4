#pragma once
/// The curves of a diagnosis against depth, as a picture.

#include <string>

#include "lieq/base/layer_scores.h"

namespace lieq::report {

/// A self-contained SVG, 900 wide: side by side the perplexity drop (logarithmic; only if it was measured), the
/// representational compactness and the top-k energy gain of every layer. A thin line is one corpus and length, the strong
/// line the mean over them that the score is made of; dots with their layers' numbers mark ranks 1 to 4.
/// It has a background and colours of its own, for light and for dark pages; no scripts, fonts or links.
/// Values that are not finite are left out; drops of zero or less, which a logarithmic axis does not have, lie on its lower
/// edge, and a note says so. Names are printable ASCII (base/message.h), cut after about 48 characters, and XML-escaped.
/// Deterministic. Source: after LieQ, arXiv:2508.03332, Figure 2.
[[nodiscard]] std::string depth_curves_svg(const LayerScores& scores);

}  // namespace lieq::report
