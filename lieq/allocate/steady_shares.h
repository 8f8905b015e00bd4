#pragma once
/// Shares of KL without most of their noise (internal to allocate/).

#include <map>
#include <string>
#include <vector>

#include "lieq/base/layer_scores.h"

namespace lieq::allocate {

/// [layers]: by linear, what its share can be expected to be, nats a token. A share is measured on little text: many
/// are as large as their standard error, some are below 0, though finer rounding does no harm. So linears of one name
/// are taken as draws, for each weight, from a normal distribution over the layers whose mean and variance are
/// estimated by the method of R. C. Paule and J. Mandel (J. Res. Natl. Bur. Stand. 87, 377, 1982), a share as a draw
/// around its linear's own value; the result is the mean of what is known of that value then, given that it is at least
/// 0. Where an error is not known, or layers are fewer than three, shares are left as they are.
[[nodiscard]] std::vector<std::map<std::string, double>> steady_shares(const LayerScores& scores);

}  // namespace lieq::allocate
