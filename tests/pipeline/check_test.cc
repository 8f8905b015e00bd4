/// What engines load: the table in the program is sound, rules match as they say, and facts are what files hold.

#include "lieq/pipeline/check.h"

#include <filesystem>

#include "tests/pipeline/small.h"
#include "tests/support/paths.h"

namespace lieq::pipeline {
namespace {

TEST(EngineTable, IsSoundAndNamesTestsThatExist) {
  const auto engines = known_engines();
  ASSERT_TRUE(engines) << engines.error().message;
  const std::filesystem::path tests = test::data_dir() / "../..";
  for (const Engine& engine : engines->engines) {
    for (const EngineRule& rule : engine.rules) {
      EXPECT_FALSE(rule.source.empty() || rule.date.empty() || rule.note.empty()) << engine.name;
      EXPECT_TRUE(rule.proved.empty() || std::filesystem::exists(tests / rule.proved)) << rule.proved;
    }
  }
}

/// A table of one engine whose only fact is `bits`, and its answer.
std::string answer(const std::string& condition, const char* bits) {
  const std::string text = R"({"facts": {"bits": ""}, "engines": [{"name": "e", "run": "r", "rules": [
      {"if": {"bits": )" + condition + R"(}, "loads": true, "since": "1", "speed": "kernels", "note": "n",
       "source": "s", "date": "d"}, {"loads": false, "note": "n", "source": "s", "date": "d"}]}]})";
  const auto engines = engines_from_json(*parse_json(text, "t"), "t");
  if (!engines) return engines.error().message;
  return answer_of(engines->engines[0], Json{{"bits", *parse_json(bits, "bits")}}).loads ? "yes" : "no";
}

TEST(EngineTable, ConditionsMatchAsTheySay) {
  EXPECT_EQ(answer("4", "[4, 4]"), "yes");
  EXPECT_EQ(answer("4", "[2, 4]"), "no");
  EXPECT_EQ(answer("[2, 4]", "[2, 4]"), "yes");
  EXPECT_EQ(answer("[2, 4]", "[2, 3]"), "no");
  EXPECT_EQ(answer("[2, 4]", "[]"), "yes");
  EXPECT_EQ(answer(R"({"any": [3]})", "[2, 3]"), "yes");
  EXPECT_EQ(answer(R"({"any": [3]})", "[]"), "no");
  EXPECT_EQ(answer(R"({"multiple_of": 32})", "96"), "yes");
  EXPECT_EQ(answer(R"({"multiple_of": 64})", "96"), "no");
}

TEST(EngineTable, WhatIsWrongIsNamed) {
  const auto error = [](const char* rules) {
    const std::string head = R"({"facts": {"bits": ""}, "engines": [{"name": "e", "run": "r", "rules": )";
    const auto json = parse_json(head + rules + "}]}", "t");
    const auto engines = engines_from_json(*json, "t");
    return engines ? "" : engines.error().message;
  };
  EXPECT_EQ(error(R"([{"if": {"bit": 4}, "loads": false, "note": "n", "source": "s", "date": "d"}])"),
            "t: e: rules[0]: field 'if': found \"bit\", expected one of the facts that the file lists");
  EXPECT_EQ(error(R"([{"loads": true, "note": "n", "source": "s", "date": "d"}])"),
            "t: e: rules[0]: field 'since': missing, expected a string");
  EXPECT_EQ(error(R"([{"loads": false, "note": "n", "source": "s", "date": "d", "proved": "p"}])"),
            "t: e: rules[0]: field 'proved_with': missing, expected a string");
  EXPECT_EQ(error(R"([{"loads": true, "since": "1", "speed": "fast", "note": "n", "source": "s", "date": "d"}])"),
            "t: e: rules[0]: field 'speed': found \"fast\", expected kernels or fall-back, and where else");
  EXPECT_TRUE(error(R"([{"if": {"bits": 4}, "loads": false, "note": "n", "source": "s", "date": "d"}])")
                  .ends_with("expected a last rule without conditions"));
}

class Check : public Job {
 protected:
  Json facts(const std::string& model) {
    const auto record = check_engines(model, "", threads_, sink_);
    EXPECT_TRUE(record) << record.error().message;
    return record ? record->facts : Json();
  }
  std::string quantized(quantize::Grid grid, std::vector<int> choices) {
    QuantizeOptions options = short_job("q" + std::to_string(made_++));
    options.recipe.method = quantize::Method::kRtn;
    options.recipe.grid = grid;
    options.recipe.sweeps = 0;
    options.plan.choices = std::move(choices);
    options.plan.budget = Budget{Budget::Kind::kTop, options.plan.choices.size() == 1 ? 0.0 : 2.0};
    options.text_chunks = 1;
    const auto made = quantize(options, threads_, sink_);
    EXPECT_TRUE(made || made.error().code == ErrorCode::kCollapsed) << made.error().message;
    return options.output;
  }

  int made_ = 0;
};

TEST_F(Check, FactsOfFiles) {
  const Json dense = facts(demo());
  EXPECT_EQ(dense["container"], "dense");
  EXPECT_EQ(dense["architecture"], "qwen3");
  EXPECT_EQ(dense["zeros"], "none");
  const Json gguf = facts((test::data_dir() / "tiny-llama.gguf").string());
  EXPECT_EQ(gguf["container"], "gguf");
  EXPECT_EQ(gguf["types"], Json::array({"Q4_0"}));
  EXPECT_EQ(gguf["zeros"], "symmetric");
}

TEST_F(Check, FactsOfFolders) {
  const Json sym = facts(quantized(quantize::Grid::kSym, {4}));
  EXPECT_EQ(sym["container"], "gptq");
  EXPECT_EQ(sym["bits"], Json::array({4}));
  EXPECT_EQ(sym["group_sizes"], Json::array({64}));
  EXPECT_EQ(sym["mixed"], "no");
  EXPECT_EQ(sym["zeros"], "symmetric");
  EXPECT_EQ(sym["columns"], 256);
  const Json skew = facts(quantized(quantize::Grid::kSkew, {2, 4}));
  EXPECT_EQ(skew["container"], "gptq_v2");
  EXPECT_EQ(skew["bits"], Json::array({2, 4}));
  EXPECT_EQ(skew["mixed"], "by layer");
  EXPECT_EQ(skew["zeros"], "whole");
  const std::string half = quantized(quantize::Grid::kHalf, {2});
  EXPECT_EQ(facts(half)["container"], "lieq");
  const auto record = check_engines(half, "", threads_, sink_);
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->some_engine_loads());
}

TEST_F(Check, OneEngineIsAskedByName) {
  const auto one = check_engines(demo(), "vllm", threads_, sink_);
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_EQ(one->answers.size(), 1U);
  EXPECT_EQ(one->answers[0].engine, "vLLM");
  EXPECT_TRUE(one->some_engine_loads());
  const auto none = check_engines(demo(), "word", threads_, sink_);
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().message.starts_with("engine: found 'word', expected one of llama.cpp, "));
}

}  // namespace
}  // namespace lieq::pipeline
