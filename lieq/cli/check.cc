/// lieq check: which engines load a model.

#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/pipeline/check.h"
#include "lieq/report/text_table.h"
#include "lieq/terminal/console.h"

namespace lieq::cli {
namespace check_verb {

struct Options {
  std::string model, engine;
  bool json = false;
};

std::string facts_text(const Json& facts) {
  std::string text;
  for (const auto& [name, value] : facts.items()) {
    if (value.is_array() && value.empty()) continue;
    std::string words;
    for (const Json& one : value.is_array() ? value : Json::array({value}))
      words += fmt::format("{}{}", words.empty() ? "" : ", ", one.is_string() ? one.get<std::string>() : one.dump());
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", name, words);
  }
  return text;
}

std::string check_text(const pipeline::CheckRecord& record) {
  std::vector<std::vector<std::string>> rows;
  std::string notes;
  for (const pipeline::EngineAnswer& answer : record.answers) {
    const pipeline::EngineRule& rule = answer.rule;
    rows.push_back({answer.engine, rule.loads ? "yes" : "no", rule.loads ? rule.since : "", rule.speed,
                    rule.proved.empty() ? "" : "yes"});
    notes += fmt::format("{}: {} ({}, {})\n", answer.engine, rule.note, rule.source, rule.date);
    if (rule.loads) notes += fmt::format("  {}\n", answer.run);
  }
  return fmt::format("{}: {}\n\n{}\n{}", record.model, facts_text(record.facts),
                     report::table({"engine", "loads it", "since", "speed", "proved here"}, rows), notes);
}

Result<void> run(const Options& options, const Common& common) {
  Threads threads(common.threads);
  terminal::Console console;
  LIEQ_ASSIGN(const pipeline::CheckRecord record,
              pipeline::check_engines(options.model, options.engine, threads, console));
  show(options.json ? indented(to_json(record)) + "\n" : check_text(record));
  if (record.some_engine_loads()) return {};
  return fail(ErrorCode::kUnsupported,
              options.engine.empty()
                  ? fmt::format("{}: no other engine loads it", options.model)
                  : fmt::format("{}: {} does not load it: {}", options.model, record.answers.front().engine,
                                record.answers.front().rule.note));
}

}  // namespace check_verb

Run add_check(OptionSet& app, const Common& common) {
  using namespace check_verb;
  const auto options = std::make_shared<Options>();
  app.add("MODEL", options->model, kModelHelp).required();
  app.add("--for", options->engine, "Ask one engine: llama.cpp, vLLM, \"MLX / mlx-lm\", ...");
  app.flag("--json", options->json, "Print JSON instead of text");
  app.footer("Status 0: some engine (that of --for) loads it; 1: none does. docs/engines.md has the whole table.\n");
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
