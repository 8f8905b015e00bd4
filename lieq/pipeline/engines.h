#pragma once
/// What other engines load: the table data/engines.json, which is built into the program.
///
/// The file: {"facts": {NAME: what it is}, "engines": [{"name", "run", "rules": [RULE]}]}. The first rule of an engine
/// whose conditions all hold is its answer; the last one has none, so there always is an answer. A RULE:
///   "if"       {FACT: CONDITION}; a fact is a value or a list of values, and a condition is
///                VALUE or [VALUES]        every value of the fact is among them
///                {"any": [VALUES]}        some value of the fact is among them
///                {"multiple_of": N}       every value of the fact is one
///   "loads"    true or false
///   "since"    the first version or month that a source names; with "loads"
///   "speed"    "kernels" for this width, or "fall-back": weights are decoded, or a plain loop runs; where devices
///              differ, both ("kernels; fall-back on x86"); with "loads"
///   "note"     one line: which kernels, what to mind, or why not
///   "source", "date"   where that is said, and when it was said or looked up (YYYY-MM or YYYY-MM-DD)
///   "proved"   a script of tests/interop in which the engine itself did it; absent: nobody here saw it
///   "proved_with"  versions and day of that; with "proved"

#include <cstdint>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::pipeline {

/// The file's text.
extern const char* const kEngines;

/// What a rule asks of one fact.
struct EngineCondition {
  enum class Kind { kAll, kAny, kMultipleOf };
  std::string fact;
  Kind kind = Kind::kAll;
  std::vector<Json> values;   ///< for kAll and kAny
  std::uint64_t divisor = 1;  ///< for kMultipleOf
};

struct EngineRule {
  std::vector<EngineCondition> conditions;
  bool loads = false;
  std::string since, speed, note, source, date, proved, proved_with;
};

struct Engine {
  std::string name;
  std::string run;  ///< how a model is run in it, one line
  std::vector<EngineRule> rules;
};

struct Engines {
  std::vector<std::string> facts;  ///< the names that conditions may use
  std::vector<Engine> engines;
};

/// Errors: kInvalidFormat naming `place`, the engine, the rule and the field: also a fact that is not listed, a last
/// rule with conditions, a rule that loads without `since` and `speed`, one that is proved without `proved_with`.
[[nodiscard]] Result<Engines> engines_from_json(const Json& json, const std::string& place);

/// The first rule that holds. facts: an object with all of Engines::facts.
[[nodiscard]] const EngineRule& answer_of(const Engine& engine, const Json& facts);

}  // namespace lieq::pipeline
