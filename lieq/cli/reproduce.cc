/// lieq reproduce: the paper's tables, with the commands that fill them and our numbers beside its own.

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/labels.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/cli/shell_word.h"
#include "lieq/cli/sweep_options.h"
#include "lieq/cli/sweep_text.h"
#include "lieq/pipeline/reproduce.h"
#include "lieq/report/paper_text.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/stop_notice.h"

namespace lieq::cli {
namespace reproduce_verb {

using pipeline::ReproduceOptions;
using pipeline::Subject;
using report::PaperModel;
using report::PaperTable;
using report::PaperTables;

struct Options {
  std::vector<std::string> tables, models;
  std::string output = "reproduce";
  bool list = false;
  SweepFlags sweep;
};

void print_list(const PaperTables& paper) {
  fmt::print("tables of {}:\n", paper.source);
  for (const PaperTable& table : paper.tables) {
    fmt::print("  {}  {}\n", table.name, table.title);
    if (!table.rows.empty()) fmt::print("          {}\n", fmt::join(table.models(), ", "));
  }
  fmt::print("\nmodels, and where the hub has them:\n");
  for (const PaperModel& model : paper.models) fmt::print("  {}={}\n", model.name, model.hub);
}

Result<std::vector<const PaperTable*>> chosen_tables(const Options& options, const PaperTables& paper) {
  std::vector<const PaperTable*> chosen;
  for (const std::string& name : options.tables) {
    const auto found = std::ranges::find(paper.tables, name, &PaperTable::name);
    std::vector<std::string> names;
    for (const PaperTable& table : paper.tables) names.push_back(table.name);
    if (found == paper.tables.end())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("reproduce: found '{}', expected {}", name, fmt::join(names, ", ")));
    chosen.push_back(&*found);
  }
  for (const PaperTable& table : paper.tables)
    if (options.tables.empty()) chosen.push_back(&table);
  return chosen;
}

/// --model NAME=MODEL; a MODEL by itself is called by its label.
Result<std::vector<Subject>> subjects_of(const Options& options) {
  std::vector<Subject> subjects;
  for (const std::string& argument : options.models) {
    const std::size_t equals = argument.find('=');
    Subject subject{argument.substr(0, equals), equals == std::string::npos ? argument : argument.substr(equals + 1)};
    if (equals == std::string::npos) subject.name = model_label(argument);
    if (subject.name.empty() || subject.model.empty() || subject.name.find('/') != std::string::npos)
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("--model: found '{}', expected NAME=MODEL, the paper's name and a folder, file or ORG/NAME",
                      argument));
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

/// The command that does what `sweep` says. given: the words of the options that were passed on.
std::string command_of(const pipeline::SweepOptions& sweep, const std::string& given) {
  const bool tasks_given = given.find(" --tasks ") != std::string::npos;
  return fmt::format("lieq sweep {} --top {} --scores {} --choices {}{}{} -o {} --results {}", shell_word(sweep.model),
                     sweep.top, shell_word(fmt::format("{}", fmt::join(sweep.scores, ","))),
                     fmt::join(sweep.choices, ","),
                     tasks_given ? "" : fmt::format(" --tasks {}", fmt::join(sweep.eval.tasks, ",")), given,
                     shell_word(sweep.output), sweep.results);
}

/// Without models: the paper's numbers, and what to run.
Result<std::string> commands_text(const ReproduceOptions& options, const PaperTable& table, const PaperTables& paper,
                                  const std::string& given) {
  LIEQ_ASSIGN(const std::vector<std::string> tasks, pipeline::tasks_of(options, table));
  std::string text = fmt::format("{} ({})\n", table.title, paper.source);
  for (const PaperModel& model : paper.models) {
    const std::vector<std::string> own = table.models();
    if (!own.empty() && std::ranges::find(own, model.name) == own.end()) continue;
    text += fmt::format("\n{}\n", model.name);
    if (!own.empty()) text += report::paper_table_text(table, model.name, tasks, {});
    for (const int low : pipeline::low_widths(table))
      text += command_of(pipeline::sweep_of(options, table, tasks, {model.name, model.hub}, low), given) + "\n";
  }
  return text + "\n";
}

Result<void> run_table(const ReproduceOptions& options, const PaperTable& table, const PaperTables& paper,
                       const Subject& subject, const std::string& given, Threads& threads, terminal::Console& console) {
  LIEQ_ASSIGN(const std::vector<std::string> tasks, pipeline::tasks_of(options, table));
  std::string commands;
  pipeline::ReproduceEvents events;
  events.command = [&](const pipeline::SweepOptions& sweep) {
    const std::string command = command_of(sweep, given);
    commands += command + "\n";
    return command;
  };
  events.planned = [](const pipeline::SweepPlan& plan) { show(sweep_plan_text(plan)); };
  events.finished = [&](const pipeline::SweepStep& step) { console.note(sweep_step_text(step)); };
  LIEQ_ASSIGN(const report::OurResults ours, pipeline::reproduce(options, table, subject, events, threads, console));
  const std::vector<std::string> own = table.models();
  const bool known = std::ranges::find(own, subject.name) != own.end();
  const SweepResults& any = *ours.two;
  show(fmt::format(
      "\n{} ({})\n{}, {} cores, {}\n{}\n{}\n{}\n{}\n", table.title, paper.source, any.machine.cpu, any.machine.cores,
      any.date,
      known || own.empty() ? "" : fmt::format("the paper has no {} here, so its rows are empty\n", subject.name),
      subject.name, report::paper_table_text(table, subject.name, tasks, ours), commands));
  return {};
}

Result<void> run(const Options& options, const std::string& given, const Common& common) {
  LIEQ_ASSIGN(const PaperTables paper, pipeline::paper_tables());
  if (options.list) {
    print_list(paper);
    return {};
  }
  if (!options.sweep.eval.job.text.empty())
    return fail(ErrorCode::kInvalidArgument,
                "--text: not for reproduce, whose texts are those of the tables (--tasks-dir)");
  LIEQ_ASSIGN(const auto tables, chosen_tables(options, paper));
  LIEQ_ASSIGN(const auto subjects, subjects_of(options));
  ReproduceOptions job;
  job.output = options.output;
  LIEQ_ASSIGN(job.sweep, sweep_of(options.sweep));
  for (const PaperTable* table : tables) LIEQ_TRY(pipeline::tasks_of(job, *table));
  if (subjects.empty()) {
    for (const PaperTable* table : tables) {
      LIEQ_ASSIGN(const std::string text, commands_text(job, *table, paper, given));
      show(text);
    }
    return {};
  }
  const terminal::StopNotice notice("lieq: stopped; the same command goes on from here\n");
  Threads threads(common.threads);
  terminal::Console console;
  for (const PaperTable* table : tables)
    for (const Subject& subject : subjects) LIEQ_TRY(run_table(job, *table, paper, subject, given, threads, console));
  return {};
}

}  // namespace reproduce_verb

Run add_reproduce(OptionSet& app, const Common& common) {
  using namespace reproduce_verb;
  const auto options = std::make_shared<Options>();
  options->sweep.job.scores = {"lieq"};
  app.add("TABLE", options->tables, "table1, table2, table3 or figure5 (default: all)");
  app.add("--model", options->models,
          "NAME=MODEL: the paper's name of a model, and a Hugging Face folder, .gguf file or ORG/NAME on the hub. "
          "Without any: the paper's numbers and the commands to run")
      .one_at_a_time();
  app.add("-o,--output", options->output, "Folder for the sweeps").show_default();
  app.add("--scores", options->sweep.job.scores,
          "What ranks the layers: lieq, as in the paper's tables, or what else lieq sweep takes")
      .single()
      .show_default();
  app.flag("--list", options->list, "The tables and models there are");
  OptionSet& work = app.group("Sweep");
  add_sweep_work_options(work, options->sweep);
  return [options, &work, &common] { return run(*options, given_words(work), common); };
}

}  // namespace lieq::cli
