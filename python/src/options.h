#pragma once
/// Keywords that several functions share.

#include <optional>
#include <string>
#include <vector>

#include "keywords.h"
#include "lieq/base/bit_plan.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/eval/sample.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/model.h"
#include "lieq/pipeline/calibrate.h"
#include "lieq/quantize/options.h"

namespace lieq::python {

void add_progress(Keywords& keywords, nb::object& progress);
void add_compute(Keywords& keywords, kernels::Compute& compute);
void add_load(Keywords& keywords, model::LoadOptions& load);
void add_sampling(Keywords& keywords, eval::SamplingOptions& sampling);
void add_calibration(Keywords& keywords, pipeline::CalibrationOptions& calibration);
void add_diagnosis(Keywords& keywords, diagnose::DiagnoseOptions& diagnosis);
void add_recipe(Keywords& keywords, quantize::Options& recipe);

/// What a plan may spend; at most one is given.
struct BudgetWords {
  std::optional<std::uint64_t> top, size;
  std::optional<double> bits, true_bits;

  void add_to(Keywords& keywords);
  /// Raises UsageError for more than one.
  [[nodiscard]] std::optional<Budget> budget() const;
};

}  // namespace lieq::python
