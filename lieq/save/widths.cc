#include "lieq/save/widths.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/check.h"
#include "lieq/save/linear_codes.h"

namespace lieq::save {
namespace {

std::string module_name(std::size_t l, model::LinearKind kind) {
  return fmt::format("model.layers.{}.{}", l, model::name(kind));
}

/// Of a module whose linears have codes, all alike but for zero points.
Width width_of(const model::Layer& layer, const model::LinearModule& module, const CodeFacts& facts) {
  const bool symmetric = !facts.has_minima && std::ranges::all_of(module.linears, [&](model::LinearKind kind) {
    return zero_points(layer.linear(kind).weight).only({1U << facts.bits});
  });
  const std::size_t in = layer.linear(module.linears.front()).weight.cols;
  return {facts.bits, facts.group_size == in ? 0 : facts.group_size, symmetric};
}

Unexpected refuse(const model::Model& model, std::size_t l, model::LinearKind kind, const CodeLimits& limits,
                  const std::string& found, const std::string& expected) {
  return fail(ErrorCode::kUnsupported, fmt::format("{}: tensor '{}': found {}, but {} holds {}", model.path.string(),
                                                   module_name(l, kind), found, limits.target, expected));
}

Result<void> check_zeros(const model::Model& model, std::size_t l, model::LinearKind kind, const CodeFacts& facts,
                         const CodeLimits& limits) {
  const ZeroPoints zeros = zero_points(model.layers[l].linear(kind).weight);
  const unsigned middle = 1U << facts.bits, end = 2U << facts.bits;  // doubled, as zeros are
  if (limits.only_symmetric && !zeros.only({middle}))
    return refuse(model, l, kind, limits, "zero points of an asymmetric grid",
                  fmt::format("only {}; {}", middle / 2, limits.nearest));
  if (!limits.halves && !zeros.all_whole())
    return refuse(model, l, kind, limits, "zero points that are half-integers (grid half)",
                  fmt::format("integers; {}", limits.nearest));
  for (std::size_t z = end; z < zeros.doubled.size(); ++z)
    if (zeros.doubled[z] && !limits.halves)
      return refuse(model, l, kind, limits, fmt::format("zero point {}", z / 2), fmt::format("0 to {}", end / 2 - 1));
  return {};
}

Result<void> check_linear(const model::Model& model, std::size_t l, model::LinearKind kind, const CodeLimits& limits,
                          bool& has_codes) {
  const pack::StoredMatrix& matrix = model.layers[l].linear(kind).weight;
  const auto facts = code_facts(matrix);
  if (!facts) {
    if (matrix.owner)
      return refuse(model, l, kind, limits, "scales that half precision cannot hold", "halves; hf-fp16 rounds weights");
    if (block_elements(matrix.type) == 1) return {};
    return refuse(model, l, kind, limits, fmt::format("{} blocks, whose scales are products", lieq::name(matrix.type)),
                  "half-precision scales; gguf keeps them, hf-fp16 rounds weights");
  }
  has_codes = true;
  if (std::ranges::find(limits.bits, facts->bits) == limits.bits.end())
    return refuse(model, l, kind, limits, fmt::format("{} bits", facts->bits),
                  fmt::format("{} bits; compressed-tensors and gptq hold 2, 3, 4 and 8", fmt::join(limits.bits, ", ")));
  if (!facts->in_order && !limits.any_order)
    return refuse(model, l, kind, limits, "groups in order of activation",
                  "groups of consecutive inputs; gptq holds any");
  if (facts->has_minima)
    return limits.minima ? Result<void>{}
                         : refuse(model, l, kind, limits, "minima", "zero points; mlx and gguf hold minima");
  return check_zeros(model, l, kind, *facts, limits);
}

}  // namespace

std::string pattern_of(const std::vector<Member>& members, std::size_t layers, std::size_t modules) {
  std::vector<std::size_t> count(layers);
  for (const Member& member : members) ++count[member.layer];
  std::vector<std::size_t> whole;
  for (std::size_t l = 0; l < layers; ++l)
    if (count[l] == modules) whole.push_back(l);
  std::vector<std::string> parts;  // whole layers, then single modules
  if (!whole.empty()) parts.push_back(fmt::format(R"(model\.layers\.(?:{})\..*)", fmt::join(whole, "|")));
  for (const Member& member : members) {
    if (count[member.layer] == modules) continue;
    std::string name = member.name;
    for (std::size_t at = 0; (at = name.find('.', at)) != std::string::npos; at += 2) name.insert(at, 1, '\\');
    parts.push_back(name + "$");
  }
  return parts.size() == 1 ? "^" + parts.front() : fmt::format("^(?:{})", fmt::join(parts, "|"));
}

Widths widths_of(const model::Model& model) {
  Widths widths;
  std::map<Width, std::vector<Member>> members;
  const std::vector<model::LinearModule> modules = linear_modules(model.config);
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    for (const model::LinearModule& module : modules) {
      const model::Layer& layer = model.layers[l];
      std::string name = model::tensor_name(module.pattern, l);
      if (const auto facts = code_facts(layer.linear(module.linears.front()).weight)) {
        members[width_of(layer, module, *facts)].push_back({l, std::move(name)});
      } else {
        widths.dense.push_back(std::move(name));
      }
    }
  for (const auto& [width, all] : members) {
    WidthGroup group{width, {}, pattern_of(all, model.layers.size(), modules.size())};
    for (const Member& member : all) group.modules.push_back(member.name);
    widths.groups.push_back(std::move(group));
  }
  std::ranges::stable_sort(widths.groups, std::ranges::greater(), [](const WidthGroup& g) { return g.modules.size(); });
  return widths;
}

Result<void> check_codes(const model::Model& model, const CodeLimits& limits) {
  bool has_codes = false;
  for (std::size_t l = 0; l < model.layers.size(); ++l)
    for (const model::LinearKind kind : model::kLinearKinds) LIEQ_TRY(check_linear(model, l, kind, limits, has_codes));
  if (has_codes) return {};
  return fail(ErrorCode::kUnsupported, fmt::format("{}: found dense weights, expected a quantised model for {}; "
                                                   "hf-fp16 and gguf take dense ones",
                                                   model.path.string(), limits.target));
}

}  // namespace lieq::save
