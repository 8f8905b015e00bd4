#pragma once
/// Records as the dataclasses of lieq.records, and back.

#include <string>

#include <nanobind/nanobind.h>

#include "json.h"
#include "lieq/base/bit_plan.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/task_record.h"
#include "lieq/save/export.h"

namespace lieq::python {

/// The dataclass `name` from the fields in `json`.
[[nodiscard]] nb::object record(const char* name, const Json& json);

/// Scores and plans: a dataclass, or a path of the file that holds one.
[[nodiscard]] LayerScores scores_of(nb::handle value);
[[nodiscard]] BitPlan plan_of(nb::handle value);

/// All fields, under their own names; the harness's layout apart.
[[nodiscard]] Json fields_of(const TaskResults& results);
[[nodiscard]] Json fields_of(const save::ExportRecord& record);

}  // namespace lieq::python
