/// tool_choice: whether a tool has to be called, and which.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lieq/grammar/grammar.h"
#include "lieq/serve/grammar_filter.h"
#include "lieq/serve/request.h"

namespace lieq::serve {
namespace {

/// Of {"type": "function", "function": {"name": ...}}.
ApiResult<std::string> named_function(const OrderedJson& choice) {
  const auto type = choice.is_object() && choice.contains("type") ? choice["type"] : OrderedJson();
  if (type != "function")
    return bad_parameter("tool_choice", fmt::format("found {}, expected \"auto\", \"none\", \"required\" or an object "
                                                    "of type function",
                                                    in_words(choice)));
  const auto function = choice.find("function");
  if (function == choice.end() || !function->is_object() || !function->contains("name") ||
      !(*function)["name"].is_string())
    return bad_parameter("tool_choice.function.name", "found nothing, expected the name of a tool");
  return (*function)["name"].get<std::string>();
}

/// What the arguments of a tool look like: always an object.
ApiResult<OrderedJson> schema_of(const OrderedJson& tool, const std::string& place) {
  const OrderedJson& function = tool["function"];
  OrderedJson schema = function.contains("parameters") ? function["parameters"] : OrderedJson();
  if (schema.is_null()) schema = OrderedJson::object();
  if (!schema.is_object())
    return bad_parameter(place, fmt::format("found {}, expected a JSON schema", in_words(schema)));
  const bool is_elsewhere =
      std::ranges::any_of(std::initializer_list<const char*>{"$ref", "anyOf", "oneOf", "allOf", "const", "enum"},
                          [&](const char* key) { return schema.contains(key); });
  if (!schema.contains("type") && !is_elsewhere) schema["type"] = "object";
  if (schema.contains("type") && schema["type"] != "object")
    return bad_parameter(place + ".type", fmt::format("found {}, expected \"object\"", in_words(schema["type"])));
  return schema;
}

}  // namespace

ApiResult<void> read_tool_choice(Parameters& parameters, ChatPrompt& prompt) {
  const OrderedJson* choice = parameters.find("tool_choice");
  const bool is_free = !choice || *choice == "auto" || *choice == "none";
  if (!is_free) {
    const bool any = *choice == "required";
    std::string name;
    if (!any) {
      LIEQ_API_ASSIGN(name, named_function(*choice));
    }
    for (std::size_t i = 0; i < prompt.tool_names.size(); ++i)
      if (any || prompt.tool_names[i] == name) prompt.must_call.push_back(i);
    if (prompt.tool_names.empty()) return bad_parameter("tool_choice", "expected only together with tools");
    if (prompt.must_call.empty())
      return bad_parameter("tool_choice.function.name",
                           fmt::format("found {}, expected the name of one of the tools", in_words(OrderedJson(name))));
  }
  LIEQ_API_ASSIGN(const auto parallel, parameters.boolean("parallel_tool_calls"));
  prompt.one_call = parallel == false;
  return {};
}

ApiResult<void> require_call(Parameters& parameters, const Served& served, const ChatPrompt& prompt,
                             TextRequest& request) {
  if (request.make_filter)
    return bad_parameter("tool_choice", "expected no response_format, json_schema or grammar beside it");
  const ToolForm form = request.output.form.tools;
  if (form == ToolForm::kNone)
    return bad_parameter("tool_choice", "the model's chat template does not say how it writes calls of tools");
  const OrderedJson& tools = *parameters.find("tools");
  std::vector<grammar::FramedSchema> calls;
  std::string key = "tool_choice" + tools.dump();
  for (const std::size_t i : prompt.must_call) {
    const std::string place = fmt::format("tools[{}].function.parameters", i);
    CallFrame frame = call_frame(form, prompt.tool_names[i]);
    LIEQ_API_ASSIGN(OrderedJson schema, schema_of(tools[i], place));
    key += fmt::format(" {}", i);
    // Behind reasoning models begin on a new line.
    for (const char* blanks : {"", "\n", "\n\n"})
      if (*blanks == '\0' || request.output.form.reasoning)
        calls.push_back({blanks + frame.before, schema, frame.after, place});
  }
  auto made = grammar::Grammar::from_framed_schemas(calls, "tools");
  if (!made) return tl::unexpected(ApiError{400, made.error().message, "tools"});
  const auto constraint = served.constrain(key, std::move(*made));
  request.make_filter = [constraint] { return std::make_shared<GrammarFilter>(constraint); };
  return {};
}

}  // namespace lieq::serve
