#include "lieq/pipeline/check.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/hub/pull.h"
#include "lieq/model/quantization_config.h"
#include "lieq/save/linear_codes.h"

namespace lieq::pipeline {
namespace {

using model::LinearKind;

/// How one linear is stored, as far as engines tell linears apart.
struct Form {
  std::string type;
  unsigned bits = 16;
  long group_size = 0;  // 0: none

  bool operator==(const Form&) const = default;
};

Form form_of(const pack::StoredMatrix& matrix) {
  Form form;
  if (matrix.is_stored()) form.type = name(matrix.type);
  form.bits = static_cast<unsigned>(matrix.code_bits());
  if (const auto facts = save::code_facts(matrix)) {
    constexpr std::size_t kUsualLargest = 128;
    const bool is_row = facts->group_size == matrix.cols && matrix.cols > kUsualLargest;
    form.group_size = is_row ? -1 : static_cast<long>(facts->group_size);
  }
  return form;
}

bool same(const model::Layer& layer, std::initializer_list<LinearKind> kinds) {
  const Form first = form_of(layer.linear(*kinds.begin()).weight);
  return std::ranges::all_of(kinds, [&](LinearKind kind) { return form_of(layer.linear(kind).weight) == first; });
}

std::string mixed_text(const model::Model& model) {
  const auto every = [&](const auto& holds) { return std::ranges::all_of(model.layers, holds); };
  if (!every([](const model::Layer& layer) {
        return same(layer, {LinearKind::kQ, LinearKind::kK, LinearKind::kV}) &&
               same(layer, {LinearKind::kGate, LinearKind::kUp});
      }))
    return "within fused";
  if (!every([](const model::Layer& layer) {
        return same(layer, {LinearKind::kQ, LinearKind::kO, LinearKind::kGate, LinearKind::kDown});
      }))
    return "within layers";
  const Form first = form_of(model.layers.front().linears[0].weight);
  const auto as_first = [&](const model::Layer& layer) { return form_of(layer.linears[0].weight) == first; };
  return every(as_first) ? "no" : "by layer";
}

/// Collects what zero points occur over all linears.
struct Zeros {
  save::ZeroKinds kinds;
  bool minima = false, any = false;

  void add(const pack::StoredMatrix& matrix) {
    const auto facts = save::code_facts(matrix);
    if (!facts) return;
    any = true;
    if (facts->has_minima) {
      minima = true;
      return;
    }
    kinds.add(matrix);
  }
  [[nodiscard]] std::string text() const {
    if (!any) return "none";
    if (minima) return "minima";
    return kinds.symmetric ? "symmetric" : kinds.whole ? "whole" : "half";
  }
};

Result<std::string> container_of(const model::Model& model) {
  if (model.format == "GGUF") return "gguf";
  const std::filesystem::path file = model.path / "config.json";
  LIEQ_ASSIGN(const Json config, read_json(file));
  const Json* block = Fields(config, file.string()).find("quantization_config");
  if (block && block->value("quant_method", std::string()) == "auto-round") return "auto-round";
  LIEQ_ASSIGN(const auto quantization, model::QuantizationConfig::read(file));
  if (!quantization) return "dense";
  switch (quantization->container()) {
    case model::Container::kAwq: return "awq";
    case model::Container::kCompressedTensors: return "compressed-tensors";
    case model::Container::kMlx: return "mlx";
    case model::Container::kGptq: break;
  }
  const auto how = quantization->find("model.layers.0.mlp.down_proj", model::ModuleClass::kLinear);
  if (!how || how->zeros == pack::ZeroFormat::kV1) return "gptq";
  return how->zeros == pack::ZeroFormat::kV2 ? "gptq_v2" : "lieq";
}

/// In a folder codes or blocks; GGUF files hold any matrix in any type.
const char* plain_or_packed(const pack::StoredMatrix& matrix, const std::string& container) {
  const bool plain = container == "gguf" || (matrix.is_stored() && block_elements(matrix.type) == 1);
  return plain ? "plain" : "packed";
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text;
}

}  // namespace

Result<Json> facts_for_engines(const model::Model& model) {
  std::set<std::string> types, other_types;
  std::set<unsigned> bits;
  std::set<long> group_sizes;
  std::size_t columns = 0, rows = 0;
  bool act_order = false;
  Zeros zeros;
  for (const model::Layer& layer : model.layers) {
    for (const model::Linear& linear : layer.linears) {
      const Form form = form_of(linear.weight);
      if (!form.type.empty()) types.insert(form.type);
      bits.insert(form.bits);
      if (form.group_size != 0) group_sizes.insert(form.group_size);
      columns = std::gcd(columns, linear.weight.cols);
      rows = std::gcd(rows, linear.weight.rows);
      zeros.add(linear.weight);
      if (const auto facts = save::code_facts(linear.weight)) act_order = act_order || !facts->in_order;
    }
  }
  for (const pack::StoredMatrix* matrix : {&model.embed_tokens, &model.lm_head})
    if (matrix->is_stored()) other_types.insert(std::string(name(matrix->type)));
  const bool tied = model.config.tie_word_embeddings;
  LIEQ_ASSIGN(const std::string container, container_of(model));
  return Json{{"container", container},
              {"architecture", model.config.model_type},
              {"types", types},
              {"other_types", other_types},
              {"bits", bits},
              {"group_sizes", group_sizes},
              {"mixed", mixed_text(model)},
              {"zeros", zeros.text()},
              {"act_order", act_order},
              {"embedding", plain_or_packed(model.embed_tokens, container)},
              {"head", tied ? "plain" : plain_or_packed(model.lm_head, container)},
              {"columns", columns},
              {"rows", rows}};
}

bool CheckRecord::some_engine_loads() const {
  return std::ranges::any_of(answers, [](const EngineAnswer& answer) { return answer.rule.loads; });
}

Json to_json(const CheckRecord& record) {
  Json answers = Json::array();
  for (const EngineAnswer& answer : record.answers) {
    const EngineRule& rule = answer.rule;
    Json json = {{"engine", answer.engine}, {"loads", rule.loads}, {"note", rule.note},
                 {"source", rule.source},   {"date", rule.date},   {"run", answer.run}};
    if (rule.loads) json.update({{"since", rule.since}, {"speed", rule.speed}});
    if (!rule.proved.empty()) json.update({{"proved", rule.proved}, {"proved_with", rule.proved_with}});
    answers.push_back(std::move(json));
  }
  return {{"model", record.model}, {"facts", record.facts}, {"engines", std::move(answers)}};
}

Result<Engines> known_engines() {
  LIEQ_ASSIGN(const Json json, parse_json(kEngines, "engines.json"));
  return engines_from_json(json, "engines.json");
}

Result<CheckRecord> check_engines(const std::string& model, const std::string& engine, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const Engines known, known_engines());
  std::vector<const Engine*> asked;
  std::string names;
  for (const Engine& one : known.engines) {
    names.append(names.empty() ? "" : ", ").append(one.name);
    if (engine.empty() || lower(one.name) == lower(engine)) asked.push_back(&one);
  }
  if (asked.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("engine: found {}, expected one of {}", in_quotes(engine), names));
  LIEQ_ASSIGN(const std::filesystem::path path, hub::find_model(model, sink));
  LIEQ_ASSIGN(const model::Model loaded, model::Model::load(path, threads, sink, model::LoadOptions::as_stored()));
  CheckRecord record;
  record.model = model;
  LIEQ_ASSIGN(record.facts, facts_for_engines(loaded));
  for (const Engine* one : asked) record.answers.push_back({one->name, one->run, answer_of(*one, record.facts)});
  return record;
}

}  // namespace lieq::pipeline
