#include "lieq/cli/sweep_text.h"

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/report/sweep_table.h"

namespace lieq::cli {

std::string sweep_plan_text(const pipeline::SweepPlan& plan) {
  return fmt::format(
      "{} cells, {} different models to make{}, each evaluated on about {} tokens\nit takes about {} and up to {} of "
      "disk\n",
      plan.cells, plan.models, plan.done > 0 ? fmt::format(" ({} done already)", plan.done) : "", plan.tokens,
      duration_text(plan.seconds), bytes_text(plan.disk));
}

std::string sweep_step_text(const pipeline::SweepStep& step) {
  const std::string place = step.index == 0 ? "" : fmt::format("model {} of {}: ", step.index, step.models);
  return fmt::format("{}{}: {}; {}{}", place, step.name, report::summary_text(step.summary),
                     duration_text(step.seconds),
                     step.seconds_left > 0 ? fmt::format(", about {} left", duration_text(step.seconds_left)) : "");
}

}  // namespace lieq::cli
