#include "lieq/report/axis.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

namespace lieq::report {
namespace {

constexpr double kDecades = 8;  ///< a logarithmic axis shows no more

/// The least of 1, 2, 5 and 10 times a power of ten that is not below `step`, which is positive.
double round_up(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

std::vector<double> drawable_only(const std::vector<double>& values) {
  std::vector<double> kept;
  std::copy_if(values.begin(), values.end(), std::back_inserter(kept), drawable);
  return kept;
}

/// 1, 2 and 5 times the powers of ten from 10^low to below 10^high, and 10^high.
std::vector<double> steps_1_2_5(int low, int high) {
  std::vector<double> steps;
  for (int power = low; power < high; ++power)
    for (const double factor : {1.0, 2.0, 5.0}) steps.push_back(factor * std::pow(10, power));
  steps.push_back(std::pow(10, high));
  return steps;
}

}  // namespace

bool drawable(double value) { return std::isfinite(value) && std::abs(value) < 1e100; }

double Axis::position(double value) const {
  const double inside = std::clamp(value, low, high);
  return logarithmic ? std::log(inside / low) / std::log(high / low) : (inside - low) / (high - low);
}

Axis linear_axis(const std::vector<double>& values) {
  const std::vector<double> kept = drawable_only(values);
  if (kept.empty()) return {.low = 0, .high = 1, .logarithmic = false, .ticks = {0, 1}};
  const auto [least, greatest] = std::minmax_element(kept.begin(), kept.end());
  double low = *least, high = *greatest;
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-9 * size || high - low < 1e-100) {  // a difference that is rounding gets no axis of its own
    const double margin = size > 1e-90 ? size / 2 : 1;
    low -= margin;
    high += margin;
  }
  const double step = round_up((high - low) / 5);
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  Axis axis{.low = first * step, .high = last * step, .logarithmic = false, .ticks = {}};
  for (double i = first; i <= last; ++i) axis.ticks.push_back(i * step);
  return axis;
}

Axis log_axis(const std::vector<double>& values) {
  std::vector<double> kept = drawable_only(values);
  std::erase_if(kept, [](double value) { return value < 1e-90; });
  if (kept.empty()) return linear_axis(values);
  const auto [least, greatest] = std::minmax_element(kept.begin(), kept.end());
  const double low = std::max(*least, *greatest * std::pow(10, -kDecades));
  const int first = static_cast<int>(std::floor(std::log10(low))),
            last = static_cast<int>(std::ceil(std::log10(*greatest)));
  std::vector<double> steps = steps_1_2_5(first, std::max(last, first + 1));
  const double slack = 1e-9;  // powers of ten are rounded
  while (steps.size() > 2 && steps[1] <= low * (1 + slack)) steps.erase(steps.begin());
  while (steps.size() > 2 && steps[steps.size() - 2] >= *greatest * (1 - slack)) steps.pop_back();
  Axis axis{.low = steps.front(), .high = steps.back(), .logarithmic = true, .ticks = steps};
  if (steps.size() > 7)
    std::erase_if(axis.ticks, [](double tick) { return std::abs(std::remainder(std::log10(tick), 1)) > 1e-6; });
  return axis;
}

std::string tick_label(double value) {
  const std::string text = fmt::format("{:g}", value);
  return text.starts_with('-') ? "−" + text.substr(1) : text;
}

std::vector<std::string> tick_labels(const Axis& axis) {
  std::vector<std::string> labels;
  std::size_t decimals = 0;
  for (const double tick : axis.ticks) {
    labels.push_back(tick_label(tick));
    if (labels.back().find('e') != std::string::npos) decimals = std::string::npos;
    const std::size_t dot = labels.back().find('.');
    if (dot != std::string::npos && decimals != std::string::npos)
      decimals = std::max(decimals, labels.back().size() - dot - 1);
  }
  if (axis.logarithmic || decimals == 0 || decimals == std::string::npos) return labels;
  for (std::string& label : labels) {
    const std::size_t dot = label.find('.');
    const std::size_t has = dot == std::string::npos ? 0 : label.size() - dot - 1;
    if (dot == std::string::npos) label += '.';
    label.append(decimals - has, '0');
  }
  return labels;
}

}  // namespace lieq::report
