#include "lieq/cli/quantize_text.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lieq::cli {

std::string plan_text(const BitPlan& plan) {
  const PlanSize size = size_of(plan);
  std::map<int, std::vector<std::size_t>> layers_of;
  for (std::size_t l = 0; l < plan.layers.size(); ++l) layers_of[plan.layers[l].bits].push_back(l);
  std::string text = fmt::format("plan: {:.3f} code bits, {:.3f} true bits per weight of the layers\n", size.code_bits,
                                 size.true_bits);
  const int usual = std::ranges::max_element(layers_of, {}, [](const auto& one) { return one.second.size(); })->first;
  for (const auto& [bits, layers] : layers_of) {
    text += fmt::format("  {} bits: {} layers", bits, layers.size());
    text += bits == usual ? "\n" : fmt::format(" ({})\n", fmt::join(layers, ", "));
  }
  return text;
}

std::string comparison_text(const quantize::Options& options, const Json& linears) {
  double loss = 0, compared = 0;
  for (const Json& linear : linears) {
    if (linear["compared_loss"].get<double>() < 0) continue;
    loss += linear["loss"].get<double>();
    compared += linear["compared_loss"].get<double>();
  }
  if (loss <= 0 || compared <= 0) return "";
  return fmt::format("calibration loss in every {}th layer: grid {} would have given {:.2f} times that of {}{}\n",
                     options.compare_every, quantize::name(*options.compare_grid), compared / loss,
                     quantize::name(options.grid),
                     options.grid == quantize::Grid::kSkew ? " (--grid half: better, but only lieq reads it)" : "");
}

}  // namespace lieq::cli
