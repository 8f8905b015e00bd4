#pragma once
/// What a text must look like, compiled: from GBNF or from a JSON Schema.
///
/// Goals: any context-free grammar without left recursion; the next byte of a text in time that does not depend on what
/// came before, ambiguous grammars included. Non-goals: parse trees.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::grammar {

struct Automaton;

/// A JSON value between two texts. `place` opens the message of an error in the schema.
struct FramedSchema {
  std::string before;
  OrderedJson schema;
  std::string after, place;
};

/// Immutable; copies share what was compiled.
class Grammar {
 public:
  /// GBNF as the `grammar` parameter of llama.cpp's server takes it; a whole text must match rule `root`.
  /// Errors: kInvalidFormat "grammar: line N: found X, expected Y"; kUnsupported for left recursion, tokens by name
  /// (<[1]>, <name>), and grammars beyond the bounds of work and memory.
  [[nodiscard]] static Result<Grammar> from_gbnf(std::string_view text);

  /// JSON texts that are valid under `schema`, whose `properties` are written in their order. `place` opens the message
  /// of an error. What no keyword asks for is left to the model, but: an object with `properties` and without
  /// `additionalProperties` has no others; white space is that of compact and of indented JSON (at most 80 columns);
  /// integers have at most 18 digits; `oneOf` is read as `anyOf` (with a warning unless no value can match two of
  /// them). docs/structured_output.md lists the keywords.
  /// `warnings`, if given, is told of keywords that have no effect.
  /// Errors: kUnsupported "PLACE: #/properties/a: keyword 'not' is not supported"; kInvalidFormat for a malformed
  /// schema, and one that nothing can match.
  [[nodiscard]] static Result<Grammar> from_json_schema(const OrderedJson& schema, const std::string& place,
                                                        std::vector<std::string>* warnings = nullptr);

  /// One of several texts, each a value that is valid under a schema of its own (as from_json_schema) between two fixed
  /// texts. Errors: those of from_json_schema, with the place of the schema; of all together with `place`.
  [[nodiscard]] static Result<Grammar> from_framed_schemas(const std::vector<FramedSchema>& schemas,
                                                           const std::string& place);

  /// Any JSON object.
  [[nodiscard]] static Grammar json_object();

  [[nodiscard]] const Automaton& automaton() const { return *automaton_; }
  explicit Grammar(std::shared_ptr<const Automaton> automaton) : automaton_(std::move(automaton)) {}

 private:
  std::shared_ptr<const Automaton> automaton_;
};

}  // namespace lieq::grammar
