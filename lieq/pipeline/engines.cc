#include "lieq/pipeline/engines.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/base/record_fields.h"

namespace lieq::pipeline {
namespace {

std::vector<Json> values_of(const Json& json) {
  if (!json.is_array()) return {json};
  return json.get<std::vector<Json>>();
}

Result<EngineCondition> condition_from_json(const std::string& fact, const Json& json, const Engines& engines,
                                            const std::string& place) {
  if (std::ranges::find(engines.facts, fact) == engines.facts.end())
    return wrong_field(place, "if", fact, "one of the facts that the file lists");
  EngineCondition condition;
  condition.fact = fact;
  if (!json.is_object()) {
    condition.values = values_of(json);
    return condition;
  }
  const Fields fields(json, place + ": if." + fact);
  if (const Json* any = fields.find("any")) {
    condition.kind = EngineCondition::Kind::kAny;
    condition.values = values_of(*any);
    return condition;
  }
  condition.kind = EngineCondition::Kind::kMultipleOf;
  LIEQ_ASSIGN(condition.divisor, fields.required_count("multiple_of"));
  if (condition.divisor == 0) return wrong_field(fields.place(), "multiple_of", 0, "at least 1");
  return condition;
}

Result<std::string> optional_string(const Fields& fields, std::string_view key) {
  LIEQ_ASSIGN(auto text, fields.string(key));
  return std::move(text).value_or("");
}

Result<EngineRule> rule_from_json(const Json& json, const Engines& engines, const std::string& place) {
  const Fields fields(json, place);
  EngineRule rule;
  if (const Json* conditions = fields.find("if")) {
    for (const auto& [fact, value] : conditions->items()) {
      LIEQ_ASSIGN(EngineCondition condition, condition_from_json(fact, value, engines, place));
      rule.conditions.push_back(std::move(condition));
    }
  }
  LIEQ_ASSIGN(const auto loads, fields.boolean("loads"));
  if (!loads) return missing_field(fields, "loads", "true or false");
  rule.loads = *loads;
  for (const auto& [key, target] : {std::pair{"note", &rule.note}, {"source", &rule.source}, {"date", &rule.date}}) {
    LIEQ_ASSIGN(*target, required_string(fields, key));
  }
  LIEQ_ASSIGN(rule.proved, optional_string(fields, "proved"));
  if (!rule.proved.empty()) {
    LIEQ_ASSIGN(rule.proved_with, required_string(fields, "proved_with"));
  }
  if (!rule.loads) return rule;
  LIEQ_ASSIGN(rule.since, required_string(fields, "since"));
  LIEQ_ASSIGN(rule.speed, required_string(fields, "speed"));
  if (!rule.speed.starts_with("kernels") && !rule.speed.starts_with("fall-back"))
    return wrong_field(place, "speed", rule.speed, "kernels or fall-back, and where else");
  return rule;
}

Result<Engine> engine_from_json(const Json& json, const Engines& engines, const std::string& place) {
  const Fields fields(json, place);
  Engine engine;
  LIEQ_ASSIGN(engine.name, required_string(fields, "name"));
  LIEQ_ASSIGN(engine.run, required_string(fields, "run"));
  LIEQ_ASSIGN(const Json* rules, required_list(fields, "rules"));
  for (std::size_t i = 0; i < rules->size(); ++i) {
    LIEQ_ASSIGN(EngineRule rule,
                rule_from_json((*rules)[i], engines, fmt::format("{}: {}: rules[{}]", place, engine.name, i)));
    engine.rules.push_back(std::move(rule));
  }
  if (engine.rules.empty() || !engine.rules.back().conditions.empty())
    return wrong_field(place + ": " + engine.name, "rules", *rules, "a last rule without conditions");
  return engine;
}

bool holds(const EngineCondition& condition, const Json& fact) {
  const std::vector<Json> values = values_of(fact);
  const auto listed = [&](const Json& value) {
    return std::ranges::find(condition.values, value) != condition.values.end();
  };
  switch (condition.kind) {
    case EngineCondition::Kind::kAll: return std::ranges::all_of(values, listed);
    case EngineCondition::Kind::kAny: return std::ranges::any_of(values, listed);
    case EngineCondition::Kind::kMultipleOf:
      return std::ranges::all_of(
          values, [&](const Json& value) { return value.get<std::uint64_t>() % condition.divisor == 0; });
  }
  LIEQ_CHECK(false);
}

}  // namespace

Result<Engines> engines_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  Engines engines;
  LIEQ_ASSIGN(const Json* facts, required_object(fields, "facts"));
  for (const auto& [name, what] : facts->items()) engines.facts.push_back(name);
  LIEQ_ASSIGN(const Json* list, required_list(fields, "engines"));
  for (const Json& one : *list) {
    LIEQ_ASSIGN(Engine engine, engine_from_json(one, engines, place));
    engines.engines.push_back(std::move(engine));
  }
  return engines;
}

const EngineRule& answer_of(const Engine& engine, const Json& facts) {
  for (const EngineRule& rule : engine.rules)
    if (std::ranges::all_of(rule.conditions, [&](const EngineCondition& c) { return holds(c, facts.at(c.fact)); }))
      return rule;
  LIEQ_CHECK(false);  // the last rule has no conditions
}

}  // namespace lieq::pipeline
