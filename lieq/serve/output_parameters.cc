/// What the answer has to look like: response_format, and llama.cpp's grammar and json_schema.

#include <fmt/format.h>

#include "lieq/grammar/grammar.h"
#include "lieq/serve/grammar_filter.h"
#include "lieq/serve/request.h"

namespace lieq::serve {
namespace {

ApiResult<grammar::Grammar> compiled(Result<grammar::Grammar> grammar, const char* param) {
  if (grammar) return std::move(*grammar);
  return tl::unexpected(ApiError{400, grammar.error().message, param});
}

ApiResult<grammar::Grammar> of_schema(const OrderedJson& schema, const char* param, const std::string& place) {
  if (!schema.is_object() && !schema.is_boolean())
    return bad_parameter(place, fmt::format("found {}, expected a JSON schema", in_words(schema)));
  return compiled(grammar::Grammar::from_json_schema(schema, place), param);
}

/// {"type": "text" | "json_object" | "json_schema", ...}; llama.cpp also takes a schema beside the type.
ApiResult<std::optional<grammar::Grammar>> of_response_format(const OrderedJson& format) {
  const char* const param = "response_format";
  const auto type = format.is_object() && format.contains("type") ? format["type"] : OrderedJson();
  if (type == "text") return std::nullopt;
  if ((type == "json_object" || (type == "json_schema" && !format.contains("json_schema"))) &&
      format.contains("schema"))
    return of_schema(format["schema"], param, "response_format.schema");
  if (type == "json_object") return grammar::Grammar::json_object();
  if (type == "json_schema") {
    const auto outer = format.find("json_schema");
    if (outer == format.end() || !outer->is_object() || !outer->contains("schema"))
      return bad_parameter("response_format.json_schema", "expected an object with a schema");
    return of_schema((*outer)["schema"], param, "response_format.json_schema.schema");
  }
  return bad_parameter("response_format.type",
                       fmt::format("found {}, expected \"text\", \"json_object\" or \"json_schema\"", in_words(type)));
}

ApiResult<std::optional<grammar::Grammar>> read_grammar(Parameters& parameters) {
  std::optional<grammar::Grammar> found;
  const char* from = nullptr;
  const auto take = [&](const char* name, std::optional<grammar::Grammar> grammar) -> ApiResult<void> {
    if (!grammar) return {};
    if (from) return bad_parameter(name, fmt::format("expected only one of it and {}", from));
    from = name;
    found = std::move(grammar);
    return {};
  };
  if (const OrderedJson* format = parameters.find("response_format")) {
    LIEQ_API_ASSIGN(auto grammar, of_response_format(*format));
    LIEQ_API_TRY(take("response_format", std::move(grammar)));
  }
  if (const OrderedJson* schema = parameters.find("json_schema")) {
    LIEQ_API_ASSIGN(auto grammar, of_schema(*schema, "json_schema", "json_schema"));
    LIEQ_API_TRY(take("json_schema", std::move(grammar)));
  }
  LIEQ_API_ASSIGN(const auto text, parameters.string("grammar"));
  if (text && !text->empty()) {
    LIEQ_API_ASSIGN(auto grammar, compiled(grammar::Grammar::from_gbnf(*text), "grammar"));
    LIEQ_API_TRY(take("grammar", std::move(grammar)));
  }
  return found;
}

}  // namespace

ApiResult<void> read_output_form(Parameters& parameters, const Served& served, TextRequest& request) {
  LIEQ_API_ASSIGN(auto grammar, read_grammar(parameters));
  if (!grammar) return {};
  std::string key;
  for (const char* name : {"response_format", "json_schema", "grammar"})
    if (const OrderedJson* value = parameters.find(name)) key += name + value->dump();
  const auto constraint = served.constrain(key, std::move(*grammar));
  request.make_filter = [constraint] { return std::make_shared<GrammarFilter>(constraint); };
  return {};
}

}  // namespace lieq::serve
