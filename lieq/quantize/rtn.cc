#include <algorithm>
#include <vector>

#include "lieq/quantize/fit.h"
#include "lieq/quantize/lane_copy.h"

namespace lieq::quantize {

FitRules fit_rules(const Options& options, unsigned bits, std::size_t cols) {
  FitRules rules;
  rules.grid = {bits, options.grid, true};
  rules.group_size = options.group_size == 0 ? cols : options.group_size;
  rules.range = options.range;
  rules.convention = options.grid == Grid::kSym ? MinMax::kSymmetric : MinMax::kWithZero;
  rules.act_order = options.act_order;
  rules.sweeps = options.sweeps;
  rules.refit_scales = options.refit_scales;
  return rules;
}

Fitted rtn(Threads& threads, MatrixView<const float> weight, const FitRules& rules) {
  Fitted fitted(weight.rows(), weight.cols(), rules.grid.bits, rules.group_size);
  const std::size_t width = fitted.group_size;
  const std::vector<float> ones(width, 1.0F);
  const Factor plain{width, nullptr, 0, ones.data()};
  threads.for_each((fitted.rows + kLanes - 1) / kLanes, [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * kLanes, count = std::min(kLanes, fitted.rows - first);
    GridScratch scratch;
    LaneFit fit;
    std::vector<float> target(width * kLanes);
    for (std::size_t g = 0; g < fitted.groups(); ++g) {
      to_lanes(weight.columns(g * width, width), first, target.data());
      if (rules.range == Range::kSearch) {
        search_grid(rules.grid, plain, target.data(), scratch, fit);
      } else {
        fit.choice = min_max_grid(rules.grid, rules.convention, width, target.data());
        fit.codes.resize(width * kLanes);
        nearest_plane(plain, {fit.choice.scale, fit.choice.zero, 0, rules.grid.top()}, target.data(), nullptr,
                      fit.codes.data(), fit.loss, nullptr);
      }
      for (std::size_t l = 0; l < count; ++l) {
        fitted.scales[(first + l) * fitted.groups() + g] = fit.choice.scale[l];
        fitted.zeros[(first + l) * fitted.groups() + g] = fit.choice.zero[l];
        for (std::size_t k = 0; k < width; ++k)
          fitted.codes[(first + l) * fitted.cols + g * width + k] =
              static_cast<std::uint8_t>(fit.codes[k * kLanes + l]);
      }
    }
  });
  return fitted;
}

}  // namespace lieq::quantize
