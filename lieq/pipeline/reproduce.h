#pragma once
/// Job: the paper's tables, filled with our numbers. One table is one or two sweeps of a model.

#include <functional>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/pipeline/sweep.h"
#include "lieq/report/paper_tables.h"
#include "lieq/report/paper_text.h"

namespace lieq::pipeline {

/// A model to run: as the paper calls it, and as load_bundle takes it.
struct Subject {
  std::string name, model;
};

struct ReproduceOptions {
  std::string output = "reproduce";  ///< folder of the sweeps, which are gone on with: OUTPUT/NAME/METRIC
  SweepOptions sweep;  ///< its model, output, results, top and choices are the table's; its tasks choose columns
};

/// The paper's numbers, as they are built into the program. Errors: none but a broken build's.
[[nodiscard]] Result<report::PaperTables> paper_tables();

/// The table's tasks, or those of them that the options ask for. Errors: kInvalidArgument naming one that is no column.
[[nodiscard]] Result<std::vector<std::string>> tasks_of(const ReproduceOptions& options,
                                                        const report::PaperTable& table);

/// The lower widths that a table's sweeps take beside 4 bits: 2, and 3 where it has rows for that.
[[nodiscard]] std::vector<int> low_widths(const report::PaperTable& table);

/// The sweep that fills the rows of about `low` bits. Sweeps of one model and metric share a folder.
[[nodiscard]] SweepOptions sweep_of(const ReproduceOptions& options, const report::PaperTable& table,
                                    const std::vector<std::string>& tasks, const Subject& subject, int low);

/// What happens on the way; any may be empty.
struct ReproduceEvents {
  std::function<std::string(const SweepOptions&)> command;  ///< recorded in each sweep's results
  std::function<void(const SweepPlan&)> planned;
  std::function<void(const SweepStep&)> finished;
};

/// Runs the sweeps of one table for one model. Resumes as sweeps do. Errors: those of tasks_of() and sweep().
[[nodiscard]] Result<report::OurResults> reproduce(const ReproduceOptions& options, const report::PaperTable& table,
                                                   const Subject& subject, const ReproduceEvents& events,
                                                   Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
