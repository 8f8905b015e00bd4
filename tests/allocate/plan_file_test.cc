/// scores.json and plan.json: what is written reads back, and what is wrong is named.

#include <gtest/gtest.h>

#include "lieq/allocate/allocate.h"
#include "tests/allocate/example_scores.h"

namespace lieq {
namespace {

using test::example_scores;

BitPlan example_plan(std::size_t layers = 6) {
  allocate::AllocateOptions options;
  options.budget = {Budget::Kind::kCodeBits, 2.4};
  return *allocate::allocate(example_scores(layers, 1), options);
}

TEST(ScoresFile, RoundTrips) {
  const LayerScores scores = example_scores(5, 21);
  const auto text = to_json(scores).dump();
  const auto read = layer_scores_from_json(*parse_json(text, "scores.json"), "scores.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read).dump(), text);
  EXPECT_EQ(read->model, scores.model);
  EXPECT_EQ(read->layers[3].sensitivity, scores.layers[3].sensitivity);
  ASSERT_TRUE(read->sensitivity);
  EXPECT_EQ(read->sensitivity->text_hash, "a1");
  EXPECT_EQ(read->sensitivity->tokens, 64U);
}

/// As it comes back from a file: numbers made in memory have other JSON types.
Json through_text(const Json& json) { return *parse_json(json.dump(), "file"); }

template <class Change>
std::string scores_error(const Change& change) {
  Json json = to_json(example_scores(5, 21));
  change(json);
  const auto read = layer_scores_from_json(through_text(json), "scores.json");
  return read ? "" : read.error().message;
}

TEST(ScoresFile, NamesWhatIsWrong) {
  EXPECT_EQ(scores_error([](Json& j) { j.erase("model"); }), "scores.json: field 'model': missing, expected an object");
  EXPECT_EQ(scores_error([](Json& j) { j["model"]["num_hidden_layers"] = 6; }),
            "scores.json: field 'layers': found a list of 5, expected a list of 6 (model.num_hidden_layers)");
  EXPECT_EQ(scores_error([](Json& j) { j["layers"][2]["rank"] = 9; }),
            "scores.json: layers[2]: field 'rank': found 9, expected each rank from 1 to 5 once");
  EXPECT_EQ(scores_error([](Json& j) {
              j["layers"][2]["rank"] = j["layers"][1]["rank"];
            }).find("scores.json: layers[2]: field 'rank'"),
            0U);
  EXPECT_EQ(scores_error([](Json& j) { j["layers"][2]["layer"] = 3; }),
            "scores.json: layers[2]: field 'layer': found 3, expected 2: layers in order");
  EXPECT_EQ(scores_error([](Json& j) {
              j["layers"][0]["weights"] = std::uint64_t{1} << 60;
            }).find("scores.json: layers[0]: field 'weights'"),
            0U);
  EXPECT_EQ(scores_error([](Json& j) { j["layers"][0]["score"] = "high"; }),
            "scores.json: layers[0]: field 'score': found \"high\", expected a number");
  EXPECT_EQ(scores_error([](Json& j) { j["layers"][0]["sensitivity"] = {{"two", 1}}; }),
            "scores.json: layers[0]: field 'sensitivity': found the key 'two', expected a width of 1 to 16 bits");
  EXPECT_EQ(scores_error([](Json& j) { j["sensitivity"].erase("grid"); }),
            "scores.json: sensitivity: field 'grid': missing, expected a string");
  EXPECT_EQ(scores_error([](Json& j) { j.erase("sensitivity"); }), "");  // as of scores from elsewhere
  EXPECT_EQ(scores_error([](Json& j) { j["cells"][0]["compactness"].erase(0); }),
            "scores.json: cells[0]: field 'compactness': found a list of 4, expected a list of 5");
  EXPECT_NE(scores_error([](Json& j) { j["model"]["parameters"] = 3; }).find("the weights of all layers"),
            std::string::npos);
  EXPECT_NE(scores_error([](Json& j) { j = Json::array(); }), "");
}

TEST(PlanFile, RoundTripsAndFollowsItsWidths) {
  const BitPlan plan = example_plan();
  const Json json = to_json(plan);
  const auto read = bit_plan_from_json(through_text(json), "plan.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), json);
  // Edited by hand: other width, no reason, layers in another order. The sums follow.
  Json edited = json;
  for (Json& layer : edited["layers"]) layer["bits"] = 3;
  edited["layers"][0].erase("reason");
  std::swap(edited["layers"][0], edited["layers"][4]);
  const auto by_hand = bit_plan_from_json(through_text(edited), "plan.json");
  ASSERT_TRUE(by_hand) << by_hand.error().message;
  EXPECT_EQ(size_of(*by_hand).code_bits, 3);
  EXPECT_EQ(by_hand->layers[0].reason, "by hand");
  EXPECT_EQ(to_json(*by_hand)["reached"]["code_bits"], 3.0);
}

TEST(PlanFile, CountsScalesAndZeroPoints) {
  EXPECT_DOUBLE_EQ(true_bits(2, 64), 2.28125);
  EXPECT_DOUBLE_EQ(true_bits(4, 128), 4.15625);
  EXPECT_DOUBLE_EQ(true_bits(16, 64), 16);
}

template <class Change>
std::string plan_error(const Change& change) {
  Json json = to_json(example_plan());
  change(json);
  const auto read = bit_plan_from_json(through_text(json), "plan.json");
  return read ? "" : read.error().message;
}

TEST(PlanFile, NamesWhatIsWrong) {
  EXPECT_EQ(plan_error([](Json& j) { j["layers"][2]["layer"] = 30; }),
            "plan.json: layers[2]: field 'layer': found 30, expected below 6 (num_hidden_layers of tiny)");
  EXPECT_EQ(plan_error([](Json& j) { j["layers"][2]["layer"] = 1; }),
            "plan.json: layers[2]: field 'layer': found 1, expected each layer once");
  EXPECT_EQ(plan_error([](Json& j) { j["layers"].erase(5); }),
            "plan.json: field 'layers': layer 5 is missing, expected each of 0 to 5");
  for (const Json& bits : {Json(5), Json(-2), Json("4"), Json(4294967298), Json(2.0)})
    EXPECT_EQ(plan_error([&](Json& j) { j["layers"][0]["bits"] = bits; }),
              "plan.json: layers[0]: field 'bits': found " + bits.dump() + ", expected 2, 3, 4, 8 or 16 bits");
  EXPECT_EQ(plan_error([](Json& j) { j["layers"][0].erase("bits"); }),
            "plan.json: layers[0]: field 'bits': missing, expected 2, 3, 4, 8 or 16 bits");
  EXPECT_EQ(plan_error([](Json& j) { j["group_size"] = 0; }),
            "plan.json: field 'group_size': found 0, expected 1 to 4096");
  EXPECT_EQ(plan_error([](Json& j) { j["budget"]["kind"] = "pounds"; }),
            "plan.json: budget: field 'kind': found \"pounds\", expected top, code_bits, true_bits or bytes");
  EXPECT_NE(plan_error([](Json& j) { j["layers"][1]["weights"] = 1ULL << 63; }), "");
}

TEST(ModelFacts, OfAnotherModelAreRefused) {
  const ModelFacts mine = example_scores(6, 1).model;
  ModelFacts renamed = mine;
  renamed.name = "elsewhere/tiny.gguf";
  EXPECT_TRUE(check_same_model(renamed, mine, "plan.json"));
  ModelFacts wider = mine;
  wider.hidden_size = 128;
  const auto refused = check_same_model(wider, mine, "plan.json");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "plan.json: field 'model.hidden_size': found 128, expected 64 as in tiny");
  ModelFacts other = mine;
  other.architecture = "Qwen3ForCausalLM";
  EXPECT_EQ(check_same_model(other, mine, "plan.json").error().message,
            "plan.json: field 'model.architecture': found 'Qwen3ForCausalLM', expected 'LlamaForCausalLM' as in tiny");
}

}  // namespace
}  // namespace lieq
