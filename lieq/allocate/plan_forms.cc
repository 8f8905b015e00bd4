#include "lieq/allocate/plan_forms.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/json.h"
#include "lieq/base/message.h"

namespace lieq::allocate {
namespace {

constexpr int kDense = 16;  // a layer that stays as it is

/// "3|17", for a group of a regular expression.
std::string alternatives(const std::vector<std::size_t>& layers) { return fmt::format("{}", fmt::join(layers, "|")); }

/// The linears with their dots escaped: "self_attn\.q_proj|...".
std::string linear_alternatives(const PlanFacts& facts) {
  std::string all;
  for (const std::string& linear : facts.linears) {
    if (!all.empty()) all += '|';
    for (const char c : linear) {
      if (c == '.') all += '\\';
      all += c;
    }
  }
  return all;
}

std::string_view ggml_type(int bits) {
  switch (bits) {
    case 2: return "q2_k";
    case 3: return "q3_k";
    case 4: return "q4_k";
    case 8: return "q8_0";
    default: return "f16";
  }
}

Result<std::string> llama_quantize(const PlanFacts& facts) {
  std::string text;
  for (const auto& [bits, layers] : facts.layers)
    text += fmt::format(R"(blk\.({})\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight={})", alternatives(layers),
                        ggml_type(bits)) +
            "\n";
  return text;
}

Result<std::string> gptqmodel(const PlanFacts& facts) {
  OrderedJson dynamic = OrderedJson::object();
  for (const auto& [bits, layers] : facts.layers) {
    if (bits == facts.usual) continue;
    const std::string modules = fmt::format(R"(^model\.layers\.(?:{})\..*)", alternatives(layers));
    if (bits == kDense) {
      dynamic["-:" + modules] = OrderedJson::object();
    } else {
      dynamic["+:" + modules] = {{"bits", bits}, {"group_size", facts.group_size}};
    }
  }
  const OrderedJson config = {{"bits", facts.usual}, {"group_size", facts.group_size}, {"dynamic", dynamic}};
  return config.dump(2) + "\n";
}

Result<std::string> auto_round(const PlanFacts& facts) {
  std::vector<int> widths(facts.num_hidden_layers);
  for (const auto& [bits, layers] : facts.layers)
    for (const std::size_t l : layers) widths[l] = bits;
  OrderedJson layer_config = OrderedJson::object();
  for (std::size_t l = 0; l < widths.size(); ++l) {
    if (widths[l] == facts.usual) continue;
    for (const std::string& linear : facts.linears) {
      OrderedJson how = {{"bits", widths[l]}};
      if (widths[l] != kDense) how["group_size"] = facts.group_size;
      layer_config[fmt::format("model.layers.{}.{}", l, linear)] = how;
    }
  }
  const OrderedJson config = {{"bits", facts.usual}, {"group_size", facts.group_size}, {"layer_config", layer_config}};
  return config.dump(2) + "\n";
}

/// The widths that MLX has beside those of plans are of no use here.
bool is_mlx_width(double bits) { return bits == 2 || bits == 3 || bits == 4 || bits == 8; }

Result<std::string> mlx(const PlanFacts& facts) {
  if (facts.group_size != 32 && facts.group_size != 64 && facts.group_size != 128)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("mlx: group size: found {}, expected 32, 64 or 128", facts.group_size));
  std::vector<int> widths(facts.num_hidden_layers);
  for (const auto& [bits, layers] : facts.layers)
    for (const std::size_t l : layers) widths[l] = bits;
  const int rest = is_mlx_width(facts.rest_bits) ? static_cast<int>(facts.rest_bits) : kDense;
  return fmt::format(R"("""Quantises a model with mlx_lm, each layer at its own width: python PLAN.py MODEL OUTPUT"""

import sys

import mlx_lm

LAYERS = [{}]  # bits of each layer
REST = {}  # bits of embedding and head
GROUP_SIZE = {}


def quant_predicate(path, module, *_):
    """What mlx_lm asks of each module: how it is quantised, or False for one that stays as it is."""
    if not hasattr(module, "to_quantized"):
        return False
    parts = path.split(".")
    bits = LAYERS[int(parts[parts.index("layers") + 1])] if "layers" in parts else REST
    return {{"bits": bits, "group_size": GROUP_SIZE}} if bits < {} else False


if __name__ == "__main__":
    mlx_lm.convert(sys.argv[1], mlx_path=sys.argv[2], quantize=True, q_bits={}, q_group_size=GROUP_SIZE,
                   quant_predicate=quant_predicate)
)",
                     fmt::join(widths, ", "), rest, facts.group_size, kDense, facts.usual);
}

Result<std::string> llm_compressor(const PlanFacts& facts) {
  std::string text =
      "quantization_stage:\n"
      "  quantization_modifiers:\n"
      "    GPTQModifier:\n"
      "      ignore: [lm_head]\n"
      "      config_groups:\n";
  std::size_t group = 0;
  for (const auto& [bits, layers] : facts.layers) {
    if (bits == kDense) continue;
    text += fmt::format(
        "        group_{}:\n"
        "          targets: ['re:.*layers\\.(?:{})\\.(?:{})$']\n"
        "          weights: {{num_bits: {}, type: int, symmetric: true, strategy: group, group_size: {}}}\n",
        group++, alternatives(layers), linear_alternatives(facts), bits, facts.group_size);
  }
  return text;
}

constexpr std::array kForms = {
    PlanForm{"llama-quantize", "a file for --tensor-type-file", ".txt", llama_quantize},
    PlanForm{"gptqmodel", "arguments of GPTQModel's QuantizeConfig as JSON, `dynamic` among them", ".json", gptqmodel},
    PlanForm{"auto-round", "arguments of AutoRound as JSON, `layer_config` among them", ".json", auto_round},
    PlanForm{"mlx", "a Python program: mlx_lm.convert with a quant_predicate", ".py", mlx},
    PlanForm{"llm-compressor", "a recipe as YAML, a config group for each width", ".yaml", llm_compressor},
};

PlanFacts facts_of(const BitPlan& plan, std::span<const std::string_view> linears) {
  PlanFacts facts;
  facts.num_hidden_layers = plan.layers.size();
  facts.group_size = plan.group_size;
  facts.rest_bits = plan.rest_bits;
  facts.linears.assign(linears.begin(), linears.end());
  for (std::size_t l = 0; l < plan.layers.size(); ++l) facts.layers[plan.layers[l].bits].push_back(l);
  std::size_t most = 0;
  for (const auto& [bits, layers] : facts.layers) {
    if (bits == kDense || layers.size() <= most) continue;
    most = layers.size();
    facts.usual = bits;
  }
  return facts;
}

}  // namespace

std::span<const PlanForm> plan_forms() { return kForms; }

Result<const PlanForm*> find_plan_form(std::string_view tool) {
  std::string known;
  for (const PlanForm& form : kForms) {
    if (form.tool == tool) return &form;
    known.append(known.empty() ? "" : ", ").append(form.tool);
  }
  return fail(ErrorCode::kInvalidArgument, fmt::format("tool: found {}, expected one of {}", in_quotes(tool), known));
}

Result<std::string> plan_text(const PlanForm& form, const BitPlan& plan, std::span<const std::string_view> linears) {
  const PlanFacts facts = facts_of(plan, linears);
  if (facts.layers.size() == 1 && facts.layers.begin()->first == kDense)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: found all layers at 16 bits, expected one to quantise", form.tool));
  return form.text(facts);
}

}  // namespace lieq::allocate
