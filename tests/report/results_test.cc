#include "lieq/report/results.h"

#include <gtest/gtest.h>

#include <fstream>

#include "lieq/report/figures.h"

namespace lieq::report {
namespace {

/// As a file has it: whole numbers are unsigned.
Json parsed(const Json& json) { return Json::parse(json.dump()); }

Json record(const std::string& model, double bits) {
  EvalRecord one;
  one.model = model;
  one.perplexity = 12.5;
  one.code_bits = bits;
  one.kl = 0.25;
  return to_json(one);
}

Json tasks(const std::string& model) {
  TaskResults results;
  results.model = model;
  results.limit = 40;
  results.parameters = 7;
  TaskRecord task;
  task.name = "mmlu_astronomy";
  task.alias = "astronomy";
  task.num_fewshot = 5;
  task.original = 152;
  task.effective = 40;
  task.metrics = {{"acc", 0.25, 0.125, true}, {"word_perplexity", 30, std::nullopt, false}};
  TaskRecord group = task;
  group.name = group.alias = "mmlu";
  group.children = {"mmlu_astronomy"};
  results.tasks = {group, task};
  results.perplexities = {EvalRecord{}};
  results.reference = "demo";
  results.differences["mmlu"] = {-0.5, 0.25, 0.125};
  return to_json(results);
}

Json sweep() {
  return Json{{"kind", "lieq-sweep"},
              {"model", {{"label", "demo"}, {"hash", "ab"}}},
              {"lieq", {{"version", "0.1.0"}}},
              {"machine", {{"cpu", "x"}, {"cores", 2}}},
              {"date", "2026-11-23T01:02:03Z"},
              {"command", "lieq sweep demo"},
              {"planned", 1},
              {"options", {{"methods", {"gptq", "awq"}}}},
              {"baseline", record("demo", 16)},
              {"cells",
               {{{"top", 1},
                 {"method", "gptq"},
                 {"scores", "geometry"},
                 {"layers", {3}},
                 {"code_bits", 2.1},
                 {"true_bits", 2.4},
                 {"bytes", 9},
                 {"eval", tasks("cell")}}}}};
}

std::string error_of(const Json& json) {
  Results results;
  const auto added = add_json(parsed(json), "file.json", "", results);
  return added ? "" : added.error().message;
}

TEST(Results, TasksReadBackAsWritten) {
  const Json json = tasks("m");
  const auto read = task_results_from_json(json, "f");
  ASSERT_TRUE(read) << read.error().message;
  Json again = to_json(*read);
  for (const char* key : {"configs", "versions"}) again.erase(key);  // of the harness; nothing here needs them
  Json expected = json;
  for (const char* key : {"configs", "versions"}) expected.erase(key);
  expected["config"]["batch_size"] = again["config"]["batch_size"];
  EXPECT_EQ(again, expected);
}

TEST(Results, FilesAreRecognisedByWhatTheyHold) {
  Results results;
  for (const Json& json :
       {Json::array({record("demo", 16), record("two", 2)}), tasks("demo"), Json::array({tasks("demo"), tasks("two")}),
        sweep(),
        Json{{"isa", "avx2"},
             {"threads", 2},
             {"records", {{{"in", 8}, {"out", 4}, {"tokens", 1}, {"kernel", "read"}, {"seconds", 0.5}}}}}}) {
    const auto added = add_json(parsed(json), "f", "", results);
    ASSERT_TRUE(added) << added.error().message;
  }
  ASSERT_EQ(results.evaluations.size(), 3u);
  EXPECT_EQ(results.evaluations[0].texts.size(), 2u);
  EXPECT_EQ(results.evaluations[2].tasks.size(), 2u);
  EXPECT_DOUBLE_EQ(*results.evaluations[0].texts[1].kl, 0.25);
  EXPECT_EQ(results.sweeps[0].cells[0].eval.tasks[0].find("mmlu")->metric("acc")->value, 0.25);
  EXPECT_EQ(results.sweeps[0].baseline.texts.size(), 1u);
  EXPECT_EQ(results.shape_machine, "avx2, 2 threads");
  EXPECT_EQ(results.sources.size(), 5u);
  EXPECT_EQ(results.sources[3].kind, "sweep");
}

TEST(Results, SettingsAreEverythingButLongLists) {
  Results results;
  ASSERT_TRUE(add_json(parsed(sweep()), "f", "", results));
  const auto& settings = results.sources[0].settings;
  const std::pair<std::string, std::string> cpu{"machine.cpu", "x"}, methods{"options.methods", "gptq, awq"};
  EXPECT_NE(std::ranges::find(settings, cpu), settings.end());
  EXPECT_NE(std::ranges::find(settings, methods), settings.end());
}

TEST(Results, AModelBelongsToItsOriginal) {
  Results results;
  Quantised quantised;
  quantised.name = "two";
  quantised.source = "demo";
  results.quantised.push_back(quantised);
  for (const char* model : {"demo", "two", "other"})
    ASSERT_TRUE(add_json(Json::array({record(model, 16)}), "f", "", results));
  const std::vector<Subject> subjects = subjects_of(results);
  ASSERT_EQ(subjects.size(), 2u);
  EXPECT_EQ(subjects[0].label, "demo");
  EXPECT_EQ(subjects[0].evaluations.size(), 2u);
  EXPECT_EQ(subjects[1].label, "other");
}

TEST(Results, WrongFilesAreNamedWithTheField) {
  EXPECT_NE(error_of(Json::object()).find("file.json: found an object, expected a file of lieq diagnose"),
            std::string::npos);
  EXPECT_FALSE(error_of(Json(3)).empty());
  EXPECT_FALSE(error_of(Json::array()).empty());
  Json bad = Json::array({record("demo", 16), record("two", 2)});
  bad[1]["perplexity"] = "low";
  EXPECT_EQ(error_of(bad), "file.json: [1]: field 'perplexity': found \"low\", expected a number");
  bad[1] = 7;
  EXPECT_EQ(error_of(bad), "file.json: [1]: found 7, expected a record of lieq eval");
  bad = sweep();
  bad["cells"][0].erase("method");
  EXPECT_EQ(error_of(bad), "file.json: cells[0]: field 'method': missing, expected a string");
  bad = sweep();
  bad["cells"][0]["eval"]["results"]["mmlu"]["acc,none"] = "x";
  EXPECT_EQ(error_of(bad), "file.json: cells[0]: eval: results.mmlu: field 'acc,none': found \"x\", expected a number");
  bad = tasks("demo");
  bad.erase("lieq");
  EXPECT_EQ(error_of(bad), "file.json: field 'lieq': missing, expected an object");
}

TEST(Results, EveryFieldMayBeOfAnyType) {
  const Json strange[] = {nullptr, true, -1, 1e308, "x", Json::array({1}), Json::object({{"a", 1}})};
  const auto try_all = [&](const Json& document, const auto& again) -> void {
    for (const Json::json_pointer& at : again) {
      for (const Json& value : strange) {
        Json changed = document;
        changed[at] = value;
        Results results;
        if (const auto added = add_json(parsed(changed), "f", "two", results)) (void)subjects_of(results);
      }
    }
  };
  for (const Json& document : {sweep(), tasks("demo"), Json::array({record("demo", 16)})}) {
    std::vector<Json::json_pointer> places;
    const Json flat = document.flatten();
    for (const auto& [path, value] : flat.items()) {
      Json::json_pointer at(path);
      for (; !at.empty(); at.pop_back()) places.push_back(at);
    }
    try_all(document, places);
  }
}

TEST(Results, AFolderWithoutLieqJsonIsRefused) {
  Results results;
  const auto added = add_results(std::filesystem::temp_directory_path(), results);
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("found a folder without lieq.json"), std::string::npos);
}

}  // namespace
}  // namespace lieq::report
