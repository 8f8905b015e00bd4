/// Plans of other tools: each gives every linear of every layer its width, by that tool's own rules of matching.

#include "lieq/allocate/plan_forms.h"

#include <regex>

#include <gtest/gtest.h>

#include "lieq/base/json.h"

namespace lieq::allocate {
namespace {

constexpr std::string_view kLinears[] = {"self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj"};

/// Thirteen layers, so that "1" is a part of "12": 2 bits but for layers 1 (4 bits), 12 (8 bits) and 3 (as it is).
BitPlan mixed_plan() {
  BitPlan plan;
  plan.layers.resize(13);
  for (LayerPlan& layer : plan.layers) layer.bits = 2;
  plan.layers[1].bits = 4;
  plan.layers[12].bits = 8;
  plan.layers[3].bits = 16;
  return plan;
}

std::string text_of(std::string_view tool, const BitPlan& plan = mixed_plan()) {
  const auto text = plan_text(**find_plan_form(tool), plan, kLinears);
  return text ? *text : text.error().message;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t first = 0, end = 0; (end = text.find('\n', first)) != std::string::npos; first = end + 1)
    lines.push_back(text.substr(first, end - first));
  return lines;
}

TEST(PlanForms, LlamaQuantizeFindsOneTypeForEachTensor) {
  const auto lines = lines_of(text_of("llama-quantize"));
  const auto types_of = [&](const std::string& tensor) {
    std::string types;
    for (const std::string& line : lines) {
      const std::size_t equals = line.rfind('=');
      if (std::regex_search(tensor, std::regex(line.substr(0, equals)))) types += line.substr(equals + 1) + " ";
    }
    return types;
  };
  const BitPlan plan = mixed_plan();
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const int bits = plan.layers[l].bits;
    const std::string expected = bits == 2 ? "q2_k " : bits == 4 ? "q4_k " : bits == 8 ? "q8_0 " : "f16 ";
    for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
      EXPECT_EQ(types_of("blk." + std::to_string(l) + "." + part + ".weight"), expected) << l << part;
    EXPECT_EQ(types_of("blk." + std::to_string(l) + ".attn_norm.weight"), "");
  }
  EXPECT_EQ(types_of("token_embd.weight"), "");
  for (const std::string& line : lines) EXPECT_EQ(line.find_first_of(" \t"), std::string::npos);  // words are entries
}

/// As GPTQModel matches: the first rule whose expression matches from the start.
std::string gptqmodel_width(const Json& config, const std::string& module) {
  for (const auto& [key, value] : config["dynamic"].items()) {
    if (!std::regex_search(module, std::regex(key.substr(2)), std::regex_constants::match_continuous)) continue;
    return key.starts_with("-:") ? "16" : value["bits"].dump();
  }
  return config["bits"].dump();
}

TEST(PlanForms, GptqmodelRulesNameLayers) {
  const Json config = *parse_json(text_of("gptqmodel"), "text");
  EXPECT_EQ(config["group_size"], 64);
  const BitPlan plan = mixed_plan();
  for (std::size_t l = 0; l < plan.layers.size(); ++l)
    for (const char* part : {"self_attn.q_proj", "self_attn.qkv_proj", "mlp.gate_up_proj"})
      EXPECT_EQ(gptqmodel_width(config, "model.layers." + std::to_string(l) + "." + part),
                std::to_string(plan.layers[l].bits));
}

TEST(PlanForms, AutoRoundNamesModules) {
  const Json config = *parse_json(text_of("auto-round"), "text");
  EXPECT_EQ(config["bits"], 2);
  const Json& layers = config["layer_config"];
  EXPECT_EQ(layers.size(), 9U);  // three linears of three layers
  EXPECT_EQ(layers["model.layers.1.mlp.down_proj"], Json({{"bits", 4}, {"group_size", 64}}));
  EXPECT_EQ(layers["model.layers.3.self_attn.q_proj"], Json({{"bits", 16}}));
  EXPECT_FALSE(layers.contains("model.layers.0.mlp.down_proj"));
}

TEST(PlanForms, MlxListsTheLayers) {
  EXPECT_NE(text_of("mlx").find("LAYERS = [2, 4, 2, 16, 2, 2, 2, 2, 2, 2, 2, 2, 8]"), std::string::npos);
  BitPlan plan = mixed_plan();
  plan.rest_bits = 8;
  EXPECT_NE(text_of("mlx", plan).find("\nREST = 8 "), std::string::npos);
  plan.group_size = 48;
  EXPECT_EQ(text_of("mlx", plan), "mlx: group size: found 48, expected 32, 64 or 128");
}

TEST(PlanForms, LlmCompressorTargetsAreDisjoint) {
  const std::string text = text_of("llm-compressor");
  const auto groups_of = [&](const std::string& module) {
    std::string widths;
    const std::regex target(R"(targets: \['re:([^']*)'\]\n *weights: \{num_bits: (\d))");
    for (auto it = std::sregex_iterator(text.begin(), text.end(), target); it != std::sregex_iterator(); ++it)
      if (std::regex_search(module, std::regex((*it)[1].str()), std::regex_constants::match_continuous))
        widths += (*it)[2].str();
    return widths;
  };
  EXPECT_EQ(groups_of("model.layers.0.self_attn.q_proj"), "2");
  EXPECT_EQ(groups_of("model.layers.1.mlp.down_proj"), "4");
  EXPECT_EQ(groups_of("model.layers.12.self_attn.o_proj"), "8");
  EXPECT_EQ(groups_of("model.layers.3.self_attn.q_proj"), "");
  EXPECT_EQ(groups_of("model.layers.0.self_attn.q_norm"), "");
}

/// Layer 5 keeps 2 bits but for q_proj.
TEST(PlanForms, SingleLinearsHaveWidthsOfTheirOwn) {
  BitPlan plan = mixed_plan();
  plan.layers[5].linears["self_attn.q_proj"] = {4, 1024};
  std::map<std::string, std::string> types;
  for (const std::string& line : lines_of(text_of("llama-quantize", plan)))
    for (const char* tensor : {"blk.5.attn_q.weight", "blk.5.attn_output.weight", "blk.5.ffn_down.weight",
                               "blk.1.attn_q.weight", "blk.4.attn_q.weight"})
      if (std::regex_search(std::string(tensor), std::regex(line.substr(0, line.rfind('=')))))
        types[tensor] += line.substr(line.rfind('=') + 1) + " ";
  EXPECT_EQ(types, (std::map<std::string, std::string>{{"blk.5.attn_q.weight", "q4_k "},
                                                       {"blk.5.attn_output.weight", "q2_k "},
                                                       {"blk.5.ffn_down.weight", "q2_k "},
                                                       {"blk.1.attn_q.weight", "q4_k "},
                                                       {"blk.4.attn_q.weight", "q2_k "}}));

  const Json config = *parse_json(text_of("gptqmodel", plan), "text");
  EXPECT_EQ(gptqmodel_width(config, "model.layers.5.self_attn.q_proj"), "4");
  EXPECT_EQ(gptqmodel_width(config, "model.layers.5.self_attn.o_proj"), "2");
  EXPECT_EQ(gptqmodel_width(config, "model.layers.1.self_attn.o_proj"), "4");

  const Json layers = (*parse_json(text_of("auto-round", plan), "text"))["layer_config"];
  EXPECT_EQ(layers.size(), 10U);
  EXPECT_EQ(layers["model.layers.5.self_attn.q_proj"], Json({{"bits", 4}, {"group_size", 64}}));

  EXPECT_NE(text_of("mlx", plan).find(R"(LINEARS = {"layers.5.self_attn.q_proj":4})"), std::string::npos);

  const std::string recipe = text_of("llm-compressor", plan);
  EXPECT_NE(recipe.find(R"('re:.*layers\.(?:5)\.self_attn\.q_proj$']
          weights: {num_bits: 4)"),
            std::string::npos)
      << recipe;
}

TEST(PlanForms, WhatCannotBeSaidIsRefused) {
  BitPlan plan = mixed_plan();
  for (LayerPlan& layer : plan.layers) layer.bits = 16;
  for (const PlanForm& form : plan_forms())
    EXPECT_EQ(text_of(form.tool, plan),
              std::string(form.tool) + ": found all layers at 16 bits, expected one to quantise");
  const auto unknown = find_plan_form("make");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            "tool: found 'make', expected one of llama-quantize, gptqmodel, auto-round, mlx, llm-compressor");
}

}  // namespace
}  // namespace lieq::allocate
