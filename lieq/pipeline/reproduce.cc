#include "lieq/pipeline/reproduce.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lieq::pipeline {

Result<report::PaperTables> paper_tables() {
  LIEQ_ASSIGN(const Json json, parse_json(report::kPaperTables, "paper_tables.json"));
  return report::paper_tables_from_json(json, "paper_tables.json");
}

Result<std::vector<std::string>> tasks_of(const ReproduceOptions& options, const report::PaperTable& table) {
  const std::vector<std::string>& asked = options.sweep.eval.tasks;
  for (const std::string& task : asked)
    if (std::ranges::find(table.tasks, task) == table.tasks.end())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("--tasks: found '{}', expected some of {}, the columns of {}", task,
                              fmt::join(table.tasks, ","), table.name));
  return asked.empty() ? table.tasks : asked;
}

/// Figure 5 is about 2 and 4 bits only.
std::vector<int> low_widths(const report::PaperTable& table) {
  return table.rows.empty() ? std::vector<int>{2} : std::vector<int>{2, 3};
}

SweepOptions sweep_of(const ReproduceOptions& options, const report::PaperTable& table,
                      const std::vector<std::string>& tasks, const Subject& subject, int low) {
  SweepOptions sweep = options.sweep;
  sweep.model = subject.model;
  sweep.top = table.top;
  sweep.choices = {low, 4};
  sweep.eval.tasks = tasks;
  sweep.output = fmt::format("{}/{}/{}", options.output, subject.name, table.metric);
  sweep.results = fmt::format("{}-{}bit.json", table.name, low);
  return sweep;
}

Result<report::OurResults> reproduce(const ReproduceOptions& options, const report::PaperTable& table,
                                     const Subject& subject, const ReproduceEvents& events, Threads& threads,
                                     Sink& sink) {
  LIEQ_ASSIGN(const std::vector<std::string> tasks, tasks_of(options, table));
  report::OurResults ours;
  for (const int low : low_widths(table)) {
    const SweepOptions one = sweep_of(options, table, tasks, subject, low);
    LIEQ_ASSIGN(Sweep job, Sweep::prepare(one, threads, sink));
    if (events.planned) events.planned(job.plan());
    LIEQ_ASSIGN((low == 2 ? ours.two : ours.three),
                job.run(events.command ? events.command(one) : std::string(), events.finished));
  }
  return ours;
}

}  // namespace lieq::pipeline
