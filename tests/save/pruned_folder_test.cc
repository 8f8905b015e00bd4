/// config.json of a model without some layers: lists are cut, and what depends on a layer's index is refused.

#include "lieq/save/pruned_folder.h"

#include <gtest/gtest.h>

namespace lieq::save {
namespace {

constexpr std::size_t kKept[] = {0, 2, 3};

/// Four layers, with the fields of `more`.
Result<Json> pruned(const char* more) {
  Json config = *parse_json(R"({"model_type": "qwen2", "num_hidden_layers": 4, "eos_token_id": [1, 2, 3, 4]})", "text");
  config.update(*parse_json(more, "text"));
  return prune_config(config, kKept, "config.json");
}

std::string error_of(const char* more) {
  const auto config = pruned(more);
  return config ? "" : config.error().message;
}

TEST(PruneConfig, CountsAndListsFollowTheLayers) {
  const auto config = pruned(R"({"layer_types": ["a", "b", "c", "d"], "max_window_layers": 2})");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ((*config)["num_hidden_layers"], 3);
  EXPECT_EQ((*config)["layer_types"].dump(), R"(["a","c","d"])");
  EXPECT_EQ((*config)["max_window_layers"], 1);  // of layers 0 and 1 one is left
  EXPECT_EQ((*config)["eos_token_id"].dump(), "[1,2,3,4]");
}

TEST(PruneConfig, APatternIsRefusedUnlessAListSpellsItOut) {
  EXPECT_EQ(error_of(R"({"model_type": "smollm3", "no_rope_layer_interval": 4})"),
            "config.json: field 'no_rope_layer_interval': found 4, expected 'no_rope_layers' with an entry for each of "
            "4 layers beside it, since a layer's index matters in this family and layers that go change it");
  EXPECT_EQ(error_of(R"({"model_type": "smollm3", "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0]})"), "");
  EXPECT_TRUE(error_of(R"({"model_type": "gemma3_text"})").starts_with("config.json: field 'model_type': found "));
  EXPECT_TRUE(error_of(R"({"layer_types": ["a", "b"]})")
                  .starts_with("config.json: field 'layer_types': found a list of 2, expected an entry for each of 4"));
}

}  // namespace
}  // namespace lieq::save
