#include "lieq/base/bit_plan.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "lieq/base/check.h"
#include "lieq/base/message.h"
#include "lieq/base/record_fields.h"

namespace lieq {
namespace {

using Kind = Budget::Kind;

constexpr Kind kKinds[] = {Kind::kTop, Kind::kCodeBits, Kind::kTrueBits, Kind::kBytes};
constexpr std::string_view kWidths = "2, 3, 4, 8 or 16 bits";

Result<int> width_from_json(const Json& json, const std::string& place, std::string_view key) {
  // Compared as 64 bits, lest a huge number wraps into a width.
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > 16 || !is_width(json.get<int>()))
    return wrong_field(place, key, json, kWidths);
  return json.get<int>();
}

Result<Budget> budget_from_json(const Fields& fields) {
  LIEQ_ASSIGN(const Json* object, required_object(fields, "budget"));
  const Fields budget(*object, fields.place() + ": budget");
  LIEQ_ASSIGN(const std::string kind, required_string(budget, "kind"));
  const auto* const found = std::ranges::find_if(kKinds, [&](Kind k) { return name(k) == kind; });
  if (found == std::end(kKinds)) return wrong_field(budget.place(), "kind", kind, "top, code_bits, true_bits or bytes");
  LIEQ_ASSIGN(const double value, required_number(budget, "value"));
  if (!std::isfinite(value) || value < 0) return wrong_field(budget.place(), "value", value, "at least 0");
  return Budget{*found, value};
}

/// The linears of a layer that have a width of their own.
Result<void> read_linears(const Fields& fields, LayerPlan& layer) {
  if (!fields.find("linears")) return {};
  LIEQ_ASSIGN(const Json* object, required_object(fields, "linears"));
  std::uint64_t weights = 0;
  for (const auto& [name, value] : object->items()) {
    const Fields one(value, fields.place() + ": linears." + printable(name));
    LinearPlan& linear = layer.linears[name];
    const Json* bits = one.find("bits");
    if (!bits) return missing_field(one, "bits", kWidths);
    LIEQ_ASSIGN(linear.bits, width_from_json(*bits, one.place(), "bits"));
    LIEQ_ASSIGN(linear.weights, one.required_count("weights"));
    if (linear.weights == 0 || linear.weights > layer.weights - weights)
      return wrong_field(one.place(), "weights", linear.weights,
                         "at least 1, and in all linears at most the layer's weights");
    weights += linear.weights;
  }
  return {};
}

/// Fills plan.layers from a list in any order.
Result<void> read_layers(const Json& list, const std::string& place, BitPlan& plan) {
  const std::size_t count = plan.model.num_hidden_layers;
  std::vector<std::optional<LayerPlan>> layers(count);
  std::uint64_t weights = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string at = place + ": layers[" + std::to_string(i) + "]";
    const Fields fields(list[i], at);
    LIEQ_ASSIGN(const std::uint64_t layer, fields.required_count("layer"));
    if (layer >= count)
      return wrong_field(
          at, "layer", layer,
          "below " + std::to_string(count) + " (num_hidden_layers of " + printable(plan.model.name) + ")");
    if (layers[layer]) return wrong_field(at, "layer", layer, "each layer once");
    LayerPlan one;
    const Json* bits = fields.find("bits");
    if (!bits) return missing_field(fields, "bits", kWidths);
    LIEQ_ASSIGN(one.bits, width_from_json(*bits, at, "bits"));
    LIEQ_ASSIGN(one.weights, fields.required_count("weights"));
    if (one.weights == 0 || one.weights > plan.model.parameters - weights)
      return wrong_field(at, "weights", one.weights, "at least 1, and in all layers at most the model's parameters");
    weights += one.weights;
    LIEQ_ASSIGN(auto reason, fields.string("reason"));
    one.reason = std::move(reason).value_or("by hand");
    LIEQ_TRY(read_linears(fields, one));
    layers[layer] = std::move(one);
  }
  for (std::size_t l = 0; l < count; ++l) {
    if (!layers[l])
      return fail(ErrorCode::kInvalidFormat, place + ": field 'layers': layer " + std::to_string(l) +
                                                 " is missing, expected each of 0 to " + std::to_string(count - 1));
    plan.layers.push_back(std::move(*layers[l]));
  }
  return {};
}

}  // namespace

std::string_view name(Budget::Kind kind) {
  switch (kind) {
    case Kind::kTop: return "top";
    case Kind::kCodeBits: return "code_bits";
    case Kind::kTrueBits: return "true_bits";
    case Kind::kBytes: return "bytes";
  }
  LIEQ_CHECK(false);
}

bool is_width(int bits) { return bits == 2 || bits == 3 || bits == 4 || bits == 8 || bits == 16; }

std::uint64_t group_overhead(int bits, bool k_blocks) {
  if (bits == 16) return 0;
  if (!k_blocks) return 16 + static_cast<std::uint64_t>(bits);
  LIEQ_CHECK(bits >= 2 && bits <= 4);
  return bits == 2 ? 160 : bits == 3 ? 112 : 128;
}

double true_bits(int bits, std::uint64_t group_size, bool k_blocks) {
  LIEQ_CHECK(is_width(bits) && group_size > 0);
  return bits + static_cast<double>(group_overhead(bits, k_blocks)) / static_cast<double>(group_size);
}

int LayerPlan::bits_of(const std::string& linear) const {
  const auto found = linears.find(linear);
  return found == linears.end() ? bits : found->second.bits;
}

PlanSize size_of(const BitPlan& plan) {
  double weights = 0, code = 0, all = 0;  // bits
  for (const LayerPlan& layer : plan.layers) {
    weights += static_cast<double>(layer.weights);
    code += layer.sum([](int bits) { return static_cast<double>(bits); });
    all += layer.sum([&](int bits) { return true_bits(bits, plan.group_size, plan.k_blocks); });
  }
  LIEQ_CHECK(weights > 0);
  const double rest = plan.rest_bits * (static_cast<double>(plan.model.parameters) - weights);
  PlanSize size{code / weights, all / weights, std::ceil((all + rest) / 8), 16 * weights / code, 0};
  const double value = plan.budget.value;
  switch (plan.budget.kind) {
    case Kind::kTop: break;
    case Kind::kCodeBits: size.unspent_bits = value * weights - code; break;
    case Kind::kTrueBits: size.unspent_bits = value * weights - all; break;
    case Kind::kBytes: size.unspent_bits = value * 8 - all - rest; break;
  }
  return size;
}

Json to_json(const BitPlan& plan) {
  const PlanSize size = size_of(plan);
  Json json = {{"model", to_json(plan.model)},
               {"ranking", plan.ranking},
               {"budget", {{"kind", name(plan.budget.kind)}, {"value", plan.budget.value}}},
               {"choices", plan.choices},
               {"group_size", plan.group_size},
               {"rest_bits", plan.rest_bits},
               {"reached",
                {{"code_bits", size.code_bits},
                 {"true_bits", size.true_bits},
                 {"bytes", size.bytes},
                 {"compression", size.compression},
                 {"unspent_bits", size.unspent_bits}}}};
  if (plan.k_blocks) json["k_blocks"] = true;
  json["layers"] = Json::array();
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    const LayerPlan& layer = plan.layers[l];
    json["layers"].push_back(
        {{"layer", l}, {"bits", layer.bits}, {"weights", layer.weights}, {"reason", layer.reason}});
    for (const auto& [name, one] : layer.linears)
      json["layers"].back()["linears"][name] = {{"bits", one.bits}, {"weights", one.weights}};
  }
  return json;
}

Result<BitPlan> bit_plan_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  BitPlan plan;
  LIEQ_ASSIGN(plan.model, model_facts_from_json(fields, "model"));
  LIEQ_ASSIGN(plan.ranking, required_string(fields, "ranking"));
  LIEQ_ASSIGN(plan.budget, budget_from_json(fields));
  LIEQ_ASSIGN(const Json* choices, required_list(fields, "choices"));
  for (const Json& choice : *choices) {
    LIEQ_ASSIGN(const int bits, width_from_json(choice, place, "choices"));
    plan.choices.push_back(bits);
  }
  LIEQ_ASSIGN(plan.group_size, fields.required_count("group_size"));
  if (plan.group_size < 1 || plan.group_size > kMostGroupSize)
    return wrong_field(place, "group_size", plan.group_size, "1 to " + std::to_string(kMostGroupSize));
  LIEQ_ASSIGN(plan.rest_bits, required_number(fields, "rest_bits"));
  if (!(plan.rest_bits >= 0 && plan.rest_bits <= 32)) return wrong_field(place, "rest_bits", plan.rest_bits, "0 to 32");
  LIEQ_ASSIGN(const Json* layers, required_list(fields, "layers"));
  LIEQ_ASSIGN(const auto k_blocks, fields.boolean("k_blocks"));
  plan.k_blocks = k_blocks.value_or(false);
  LIEQ_TRY(read_layers(*layers, place, plan));
  const auto fits = [&](int bits) { return !plan.k_blocks || (bits >= 2 && bits <= 4); };
  for (const LayerPlan& layer : plan.layers) {
    int wrong = fits(layer.bits) ? 0 : layer.bits;
    for (const auto& [name, one] : layer.linears)
      if (!fits(one.bits)) wrong = one.bits;
    if (wrong != 0) return wrong_field(place, "layers", wrong, "2, 3 or 4 bits, which K blocks have");
  }
  return plan;
}

}  // namespace lieq
