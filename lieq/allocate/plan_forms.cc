#include "lieq/allocate/plan_forms.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/json.h"
#include "lieq/base/message.h"

namespace lieq::allocate {
namespace {

constexpr int kDense = 16;  // a layer that stays as it is

/// "3|17", for a group of a regular expression.
std::string alternatives(const std::vector<std::size_t>& layers) { return fmt::format("{}", fmt::join(layers, "|")); }

/// A name with its dots escaped: "self_attn\.q_proj".
std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '.') text += '\\';
    text += c;
  }
  return text;
}

/// The linears for a group of a regular expression.
std::string linear_alternatives(const PlanFacts& facts) {
  std::string all;
  for (const std::string& linear : facts.linears) all.append(all.empty() ? "" : "|").append(escaped(linear));
  return all;
}

/// Every linear's width: [layer][linear].
std::vector<std::vector<int>> widths_of(const PlanFacts& facts) {
  std::vector<std::vector<int>> widths(facts.num_hidden_layers, std::vector<int>(facts.linears.size()));
  for (const auto& [bits, layers] : facts.layers)
    for (const std::size_t l : layers) std::ranges::fill(widths[l], bits);
  for (const auto& [bits, linears] : facts.parts)
    for (const auto& [linear, layers] : linears) {
      const auto k = static_cast<std::size_t>(std::ranges::find(facts.linears, linear) - facts.linears.begin());
      for (const std::size_t l : layers) widths[l][k] = bits;
    }
  return widths;
}

/// What GGUF calls a linear of Hugging Face.
std::string_view ggml_name(std::string_view linear) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"q_proj", "attn_q"},      {"k_proj", "attn_k"},      {"v_proj", "attn_v"},
      {"o_proj", "attn_output"}, {"qkv_proj", "attn_qkv"},  {"gate_proj", "ffn_gate"},
      {"up_proj", "ffn_up"},     {"down_proj", "ffn_down"}, {"gate_up_proj", "ffn_up"},
  };
  const std::string_view last = linear.substr(linear.rfind('.') + 1);
  const auto* const found = std::ranges::find(kNames, last, [](const auto& one) { return one.first; });
  return found == std::end(kNames) ? last : found->second;
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
    text += fmt::format(R"(blk\.({})\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down))\.weight={})", alternatives(layers),
                        ggml_type(bits)) +
            "\n";
  for (const auto& [bits, linears] : facts.parts)
    for (const auto& [linear, layers] : linears)
      text +=
          fmt::format(R"(blk\.({})\.{}\.weight={})", alternatives(layers), ggml_name(linear), ggml_type(bits)) + "\n";
  return text;
}

Result<std::string> gptqmodel(const PlanFacts& facts) {
  OrderedJson dynamic = OrderedJson::object();
  const auto add = [&](int bits, const std::vector<std::size_t>& layers, const std::string& linear) {
    if (bits == facts.usual) return;
    const std::string modules = fmt::format(R"(^model\.layers\.(?:{})\.{})", alternatives(layers), linear);
    if (bits == kDense) {
      dynamic["-:" + modules] = OrderedJson::object();
    } else {
      dynamic["+:" + modules] = {{"bits", bits}, {"group_size", facts.group_size}};
    }
  };
  for (const auto& [bits, linears] : facts.parts)
    for (const auto& [linear, layers] : linears) add(bits, layers, escaped(linear) + "$");
  for (const auto& [bits, layers] : facts.layers) add(bits, layers, ".*");
  const OrderedJson config = {{"bits", facts.usual}, {"group_size", facts.group_size}, {"dynamic", dynamic}};
  return config.dump(2) + "\n";
}

Result<std::string> auto_round(const PlanFacts& facts) {
  const auto widths = widths_of(facts);
  OrderedJson layer_config = OrderedJson::object();
  for (std::size_t l = 0; l < widths.size(); ++l) {
    for (std::size_t k = 0; k < facts.linears.size(); ++k) {
      const int bits = widths[l][k];
      if (bits == facts.usual) continue;
      OrderedJson how = {{"bits", bits}};
      if (bits != kDense) how["group_size"] = facts.group_size;
      layer_config[fmt::format("model.layers.{}.{}", l, facts.linears[k])] = how;
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
  std::vector<int> widths(facts.num_hidden_layers, facts.usual);
  for (const auto& [bits, layers] : facts.layers)
    for (const std::size_t l : layers) widths[l] = bits;
  OrderedJson parts = OrderedJson::object();
  for (const auto& [bits, linears] : facts.parts)
    for (const auto& [linear, layers] : linears)
      if (bits != facts.usual)
        for (const std::size_t l : layers) parts[fmt::format("layers.{}.{}", l, linear)] = bits;
  const int rest = is_mlx_width(facts.rest_bits) ? static_cast<int>(facts.rest_bits) : kDense;
  return fmt::format(R"("""Quantises a model with mlx_lm, each layer at its own width: python PLAN.py MODEL OUTPUT"""

import sys

import mlx_lm

LAYERS = [{}]  # bits of each layer
LINEARS = {}  # bits of linears that differ from their layer
REST = {}  # bits of embedding and head
GROUP_SIZE = {}


def quant_predicate(path, module, *_):
    """What mlx_lm asks of each module: how it is quantised, or False for one that stays as it is."""
    if not hasattr(module, "to_quantized"):
        return False
    parts = path.split(".")
    bits = REST
    if "layers" in parts:
        parts = parts[parts.index("layers"):]
        bits = LINEARS.get(".".join(parts), LAYERS[int(parts[1])])
    return {{"bits": bits, "group_size": GROUP_SIZE}} if bits < {} else False


if __name__ == "__main__":
    mlx_lm.convert(sys.argv[1], mlx_path=sys.argv[2], quantize=True, q_bits={}, q_group_size=GROUP_SIZE,
                   quant_predicate=quant_predicate)
)",
                     fmt::join(widths, ", "), parts.dump(), rest, facts.group_size, kDense, facts.usual);
}

Result<std::string> llm_compressor(const PlanFacts& facts) {
  std::string text =
      "quantization_stage:\n"
      "  quantization_modifiers:\n"
      "    GPTQModifier:\n"
      "      ignore: [lm_head]\n"
      "      config_groups:\n";
  std::size_t group = 0;
  std::map<int, std::string> targets;
  for (const auto& [bits, layers] : facts.layers)
    targets[bits] = fmt::format("'re:.*layers\\.(?:{})\\.(?:{})$'", alternatives(layers), linear_alternatives(facts));
  for (const auto& [bits, linears] : facts.parts)
    for (const auto& [linear, layers] : linears)
      targets[bits]
          .append(targets[bits].empty() ? "" : ", ")
          .append(fmt::format("'re:.*layers\\.(?:{})\\.{}$'", alternatives(layers), escaped(linear)));
  for (const auto& [bits, of_width] : targets) {
    if (bits == kDense) continue;
    text += fmt::format(
        "        group_{}:\n"
        "          targets: [{}]\n"
        "          weights: {{num_bits: {}, type: int, symmetric: true, strategy: group, group_size: {}}}\n",
        group++, of_width, bits, facts.group_size);
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
  std::map<int, std::size_t> counts;  // of linears
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const LayerPlan& layer = plan.layers[l];
    if (layer.linears.empty()) facts.layers[layer.bits].push_back(l);
    for (const std::string& linear : facts.linears) {
      ++counts[layer.bits_of(linear)];
      if (!layer.linears.empty()) facts.parts[layer.bits_of(linear)][linear].push_back(l);
    }
  }
  counts.erase(kDense);
  if (!counts.empty())
    facts.usual = std::ranges::max_element(counts, {}, [](const auto& one) { return one.second; })->first;
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
  if (facts.layers.size() == 1 && facts.layers.begin()->first == kDense && facts.parts.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: found all layers at 16 bits, expected one to quantise", form.tool));
  return form.text(facts);
}

}  // namespace lieq::allocate
