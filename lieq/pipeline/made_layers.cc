#include "lieq/pipeline/made_layers.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/base/layer_scores.h"
#include "lieq/hub/pull.h"
#include "lieq/model/tensor_table.h"
#include "lieq/pipeline/plan.h"
#include "lieq/save/linear_codes.h"

namespace lieq::pipeline {
namespace {

namespace fs = std::filesystem;

/// Errors: kInvalidArgument when its codes have no scale of their own for each group of neighbours.
Result<save::CodeFacts> facts_of(const pack::StoredMatrix& matrix, const std::string& made) {
  const auto refuse = [&](std::string found) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: {}: found {}, expected codes in groups of neighbours with a scale and a zero point each", made,
                    matrix.name, std::move(found)));
  };
  const auto facts = save::code_facts(matrix);
  if (!facts || (matrix.is_stored() && matrix.type == DType::kQ5_0)) return refuse(std::string(name(matrix.type)));
  if (facts->has_minima) return refuse("groups with minima");
  if (!facts->in_order) return refuse("groups in activation order");
  return *facts;
}

/// The largest that divides those of all linears; 0: each row is one. Errors: facts_of()'s.
Result<std::size_t> group_size_of(const model::Model& model, const std::string& made) {
  bool rows = true;
  std::size_t size = 0;
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears) {
      LIEQ_ASSIGN(const save::CodeFacts facts, facts_of(linear.weight, made));
      rows = rows && facts.group_size == linear.weight.cols;
      size = std::gcd(size, facts.group_size);
    }
  return rows ? 0 : size;
}

/// The same weights in smaller groups.
pack::QuantizedMatrix regrouped(pack::QuantizedMatrix matrix, std::size_t group_size) {
  const std::size_t times = matrix.group_size / group_size;
  const auto repeat = [&](std::vector<std::uint16_t>& values) {
    std::vector<std::uint16_t> all;
    all.reserve(values.size() * times);
    for (const std::uint16_t value : values) all.insert(all.end(), times, value);
    values = std::move(all);
  };
  if (times == 1) return matrix;
  repeat(matrix.scales);
  repeat(matrix.double_zeros);
  matrix.group_size = group_size;
  return matrix;
}

/// Errors: kInvalidArgument naming what has another size than in the original.
Result<void> check_same_shapes(const model::Model& made, const model::Model& original, const std::string& place) {
  for (std::size_t l = 0; l < original.layers.size(); ++l) {
    const model::Layer &a = made.layers[l], &b = original.layers[l];
    const auto differs = [&](const std::string& what, std::size_t found, std::size_t expected) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("{}: layer {}: {}: found {}, expected {} as in {}", place, l,
                                                           what, found, expected, original.path.string()));
    };
    for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
      const std::string name(model::name(model::kLinearKinds[k]));
      const pack::StoredMatrix &found = a.linears[k].weight, &wanted = b.linears[k].weight;
      if (found.rows != wanted.rows) return differs(name + ": outputs", found.rows, wanted.rows);
      if (found.cols != wanted.cols) return differs(name + ": inputs", found.cols, wanted.cols);
      if (a.linears[k].bias.size() != b.linears[k].bias.size())
        return differs(name + ": numbers in its bias", a.linears[k].bias.size(), b.linears[k].bias.size());
    }
    for (const auto norm :
         {&model::Layer::input_layernorm, &model::Layer::post_attention_layernorm, &model::Layer::attention_output_norm,
          &model::Layer::mlp_output_norm, &model::Layer::q_norm, &model::Layer::k_norm})
      if ((a.*norm).size() != (b.*norm).size()) return differs("numbers in a norm", (a.*norm).size(), (b.*norm).size());
  }
  return {};
}

/// lieq.json of a folder; empty where there is none. Errors: kInvalidFormat.
Result<Json> read_provenance(const fs::path& folder) {
  const fs::path file = folder / "lieq.json";
  if (!fs::exists(file)) return Json::object();
  LIEQ_ASSIGN(Json record, read_json(file));
  const bool is_record = record.is_object() && record.value("options", Json::object()).is_object() &&
                         record.value("linears", Json::array()).is_array();
  if (!is_record)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: expected an object, with an object 'options' and an array 'linears'", file.string()));
  return record;
}

/// Which zero points occur in all linears.
quantize::Grid grid_of(const model::Model& model) {
  save::ZeroKinds zeros;
  for (const model::Layer& layer : model.layers)
    for (const model::Linear& linear : layer.linears) zeros.add(linear.weight);
  return zeros.symmetric ? quantize::Grid::kSym : zeros.whole ? quantize::Grid::kAsym : quantize::Grid::kHalf;
}

/// The width that most of a layer's weights have, and linears with others.
LayerPlan plan_of(const model::Model& model, std::size_t l, const std::string& made) {
  LayerPlan plan{.bits = 0, .weights = model::footprint(model.layers[l]).parameters, .reason = "as in " + made};
  std::map<std::string, LinearPlan> linears;
  std::map<int, std::uint64_t> weights;
  for (const model::LinearModule& module : linear_modules(model.config)) {
    LinearPlan& one = linears[name_in_layer(module)];
    for (const model::LinearKind kind : module.linears) {
      const pack::StoredMatrix& matrix = model.layers[l].linear(kind).weight;
      one.bits = static_cast<int>(save::code_facts(matrix)->bits);
      one.weights += matrix.rows * matrix.cols;
    }
    weights[one.bits] += one.weights;
  }
  for (const auto& [bits, count] : weights)
    if (plan.bits == 0 || count > weights[plan.bits]) plan.bits = bits;
  std::erase_if(linears, [&](const auto& one) { return one.second.bits == plan.bits; });
  plan.linears = std::move(linears);
  return plan;
}

}  // namespace

Result<MadeLayers> MadeLayers::load(const std::string& made, const model::Model& original, const std::string& source,
                                    Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const fs::path path, hub::find_model(made, sink));
  LIEQ_ASSIGN(model::Model model, model::Model::load(path, threads, sink, model::LoadOptions::as_stored()));
  const ModelFacts wanted = diagnose::facts_of(original, source);
  ModelFacts found = diagnose::facts_of(model, made);
  found.parameters = wanted.parameters;  // a head that is the embedding in another rounding was saved once
  LIEQ_TRY(check_same_model(found, wanted, made));
  LIEQ_TRY(check_same_shapes(model, original, made));
  LIEQ_ASSIGN(const std::size_t group_size, group_size_of(model, made));
  MadeLayers result(std::move(model));
  result.options_.grid = grid_of(result.model_);
  result.options_.group_size = group_size;
  result.plan_.model = wanted;
  result.plan_.group_size = group_size == 0 ? original.config.hidden_size : group_size;
  std::set<int> choices;
  for (std::size_t l = 0; l < result.model_.layers.size(); ++l) {
    const LayerPlan& layer = result.plan_.layers.emplace_back(plan_of(result.model_, l, made));
    choices.insert(layer.bits);
    for (const auto& [name, one] : layer.linears) choices.insert(one.bits);
  }
  result.plan_.choices.assign(choices.begin(), choices.end());
  result.plan_.budget = {Budget::Kind::kCodeBits, size_of(result.plan_).code_bits};
  LIEQ_ASSIGN(result.provenance_, read_provenance(path));
  return result;
}

quantize::QuantizedLayer MadeLayers::layer(std::size_t l, Threads& threads) const {
  const model::Layer& from = model_.layers[l];
  quantize::QuantizedLayer layer;
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
    const pack::StoredMatrix& matrix = from.linears[k].weight;
    layer.linears[k] = regrouped(save::codes_of(threads, matrix, 0, matrix.rows).matrix,
                                 options_.group_size == 0 ? matrix.cols : options_.group_size);
    layer.biases[k] = from.linears[k].bias;
  }
  layer.input_layernorm = from.input_layernorm;
  layer.post_attention_layernorm = from.post_attention_layernorm;
  return layer;
}

unsigned MadeLayers::embed_bits() const {
  const double bits = std::max(model_.embed_tokens.code_bits(), model_.lm_head.code_bits());
  for (const unsigned choice : {4U, 6U, 8U})
    if (bits <= choice) return choice;
  return 16;
}

}  // namespace lieq::pipeline
