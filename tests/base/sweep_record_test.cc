#include "lieq/base/sweep_record.h"

#include <cmath>
#include <functional>
#include <optional>

#include <gtest/gtest.h>

#include "lieq/base/records.h"
#include "lieq/base/task_record.h"

namespace lieq {
namespace {

Json text_record(double perplexity, std::optional<double> kl) {
  EvalRecord record;
  record.model = "demo";
  record.text = "data/heldout.txt";
  record.protocol = "windows";
  record.compute = "fp32";
  record.window = 512;
  record.num_tokens = 100;
  record.perplexity = perplexity;
  record.nll = std::log(perplexity);
  record.kl = kl;
  return to_json(record);
}

/// piqa 0.75, and a group of two tasks with 0.5.
TaskResults task_results() {
  TaskResults results;
  results.model = "demo";
  const auto add = [&](const std::string& name, double accuracy, std::optional<double> error,
                       std::vector<std::string> children) {
    TaskRecord task;
    task.name = task.alias = name;
    task.metrics = {{"acc", accuracy, error, true}};
    task.children = std::move(children);
    results.tasks.push_back(task);
  };
  add("piqa", 0.75, 0.03, {});
  add("mmlu_anatomy", 0.4, 0.1, {});
  add("mmlu_virology", 0.6, std::nullopt, {});
  add("mmlu", 0.5, 0.04, {"mmlu_anatomy", "mmlu_virology"});
  return results;
}

SweepResults example_sweep() {
  SweepResults results;
  results.version = "0.1.0";
  results.model = "demo";
  results.model_hash = "0123456789abcdef";
  results.machine = {"Some CPU", 2};
  results.date = "2026-11-23T01:02:03Z";
  results.command = "lieq sweep demo";
  results.options = {{"limit", 20}};
  results.planned = 3;
  results.baseline = text_record(30, std::nullopt);
  results.cells = {{1, "gptq", "geometry", {4}, 2.17, 2.45, 5'200'000, text_record(38.5, 0.03)},
                   {0, "rtn", "random:3", {}, 2, 2.28, 5'000'000, to_json(task_results())}};
  return results;
}

TEST(SweepRecord, ReadsWhatItWrites) {
  const Json json = to_json(example_sweep());
  const auto read = sweep_results_from_json(json, "results.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), json);
  EXPECT_EQ(json["kind"], "lieq-sweep");
  EXPECT_EQ(read->cells[0].layers, std::vector<std::uint64_t>{4});
  EXPECT_TRUE(read->cells[1].layers.empty());
}

TEST(SweepRecord, WrongFieldsAreNamed) {
  const auto message = [](const std::function<void(Json&)>& change) {
    Json json = to_json(example_sweep());
    change(json);
    const auto read = sweep_results_from_json(json, "r.json");
    return read ? "accepted" : read.error().message;
  };
  EXPECT_EQ(message([](Json& j) { j["kind"] = "lieq-bench"; }),
            "r.json: field 'kind': found \"lieq-bench\", expected \"lieq-sweep\"");
  EXPECT_EQ(message([](Json& j) { j["cells"][1].erase("method"); }),
            "r.json: cells[1]: field 'method': missing, expected a string");
  EXPECT_EQ(message([](Json& j) { j["model"] = 3; }), "r.json: field 'model': found 3, expected an object");
  EXPECT_NE(message([](Json& j) { j["baseline"].erase("perplexity"); }).find("r.json: baseline: field 'perplexity'"),
            std::string::npos);
  EXPECT_NE(message([](Json& j) { j["cells"][1]["eval"]["results"]["piqa"]["acc,none"] = "x"; }).find("acc,none"),
            std::string::npos);
  EXPECT_NE(message([](Json& j) { j["cells"][0]["layers"] = {-1}; }).find("cells[0]: field 'layers'"),
            std::string::npos);
  EXPECT_NE(sweep_results_from_json(Json(3), "r.json").error().message.find("kind"), std::string::npos);
}

TEST(SweepRecord, SummaryOfATextAlone) {
  const auto summary = summary_of(text_record(38.5, 0.03), "r");
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->perplexity, (std::map<std::string, double>{{"data/heldout.txt", 38.5}}));
  EXPECT_EQ(summary->kl, 0.03);
  EXPECT_FALSE(summary->mean_accuracy);
}

TEST(SweepRecord, SummaryOfTasksIsThePlainMeanOfWhatIsInNoGroup) {
  const auto summary = summary_of(to_json(task_results()), "r");
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->accuracy, (std::map<std::string, double>{{"piqa", 0.75}, {"mmlu", 0.5}}));
  EXPECT_DOUBLE_EQ(*summary->mean_accuracy, 0.625);
  EXPECT_DOUBLE_EQ(*summary->mean_stderr, 0.05 / 2) << "sqrt(0.03^2 + 0.04^2) / 2";
}

TEST(SweepRecord, MachineIsNamed) {
  const Machine machine = this_machine();
  EXPECT_FALSE(machine.cpu.empty());
  EXPECT_GT(machine.cores, 0U);
}

TEST(Json, TheFirstDifferenceIsNamed) {
  EXPECT_EQ(difference_of({{"a", 1}, {"b", "x"}}, {{"a", 1}, {"b", "x"}}), std::nullopt);
  EXPECT_EQ(difference_of({{"a", 1}, {"c", 3}}, {{"a", 1}}), std::nullopt) << "what is asked for is there";
  EXPECT_EQ(difference_of({{"a", 1}, {"b", "x"}}, {{"a", 1}, {"b", "y"}}), "b = \"x\", this one has \"y\"");
  EXPECT_EQ(difference_of({{"a", 1}}, {{"b", 2}}), "b = nothing, this one has 2");
  EXPECT_EQ(difference_of(Json(4), {{"b", 2}}), "b = nothing, this one has 2");
}

}  // namespace
TEST(TaskRecord, KeepsTheOrderOfTasksAndWhatHasNoError) {
  TaskResults results = task_results();
  results.reference = "full";
  results.differences["piqa"] = {0.25, std::nullopt, 1};
  const auto read = task_results_from_json(to_json(results), "results.json");
  ASSERT_TRUE(read) << read.error().message;
  std::vector<std::string> names;
  for (const TaskRecord& task : read->tasks) names.push_back(task.name);
  EXPECT_EQ(names, (std::vector<std::string>{"piqa", "mmlu_anatomy", "mmlu_virology", "mmlu"}));
  EXPECT_FALSE(read->differences.at("piqa").std_error);
  EXPECT_NEAR(*mean_accuracy(*read).std_error, 0.025, 1e-12);  // of 0.03 and 0.04
  results.tasks[0].metrics[0].std_error.reset();
  EXPECT_FALSE(mean_accuracy(results).std_error);
}

}  // namespace lieq
