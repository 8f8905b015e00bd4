#include "lieq/text/chat_capabilities.h"

#include <initializer_list>
#include <string_view>

namespace lieq::text {
namespace {

OrderedJson said(const char* role, const char* content) { return {{"role", role}, {"content", content}}; }

OrderedJson tool(const char* name) {
  const OrderedJson parameters = {{"type", "object"},
                                  {"properties", {{"city", {{"type", "string"}, {"description", "a city"}}}}},
                                  {"required", OrderedJson::array({"city"})}};
  return {{"type", "function"},
          {"function", {{"name", name}, {"description", "asks for a city"}, {"parameters", parameters}}}};
}

/// Some templates want nine letters and digits as an id.
OrderedJson call(const char* name, const char* id) {
  return {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", {{"city", "Bern"}}}}}};
}

bool shows(const ChatTemplate& chat_template, const ChatRequest& request,
           std::initializer_list<std::string_view> words) {
  const auto prompt = chat_template.render(request);
  if (!prompt) return false;
  for (const std::string_view word : words)
    if (prompt->find(word) == std::string::npos) return false;
  return true;
}

/// A question, an answer that calls tools of these names, and what they return.
ChatRequest calling(std::initializer_list<const char*> names) {
  ChatRequest request;
  request.tools = OrderedJson::array({tool("described")});
  request.messages.push_back(said("user", "Question"));
  OrderedJson calls = OrderedJson::array(), results = OrderedJson::array();
  for (const char* name : names) {
    const std::string id = "call0000" + std::to_string(calls.size());
    calls.push_back(call(name, id.c_str()));
    results.push_back({{"role", "tool"}, {"name", name}, {"tool_call_id", id}, {"content", "sunny"}});
  }
  request.messages.push_back({{"role", "assistant"}, {"content", ""}, {"tool_calls", std::move(calls)}});
  for (OrderedJson& result : results) request.messages.push_back(std::move(result));
  return request;
}

/// Whether the prompt depends on a variable.
bool differs(const ChatTemplate& chat_template, ChatRequest request, const char* variable, const char* one,
             const char* other) {
  request.arguments[variable] = one;
  const auto first = chat_template.render(request);
  request.arguments[variable] = other;
  const auto second = chat_template.render(request);
  return first && second && *first != *second;
}

std::optional<bool> thinks(const ChatTemplate& chat_template, ChatRequest request) {
  const auto unsaid = chat_template.render(request);
  request.arguments["enable_thinking"] = true;
  const auto on = chat_template.render(request);
  request.arguments["enable_thinking"] = false;
  const auto off = chat_template.render(request);
  if (!unsaid || !on || !off || *on == *off) return std::nullopt;
  return *unsaid == *on;
}

}  // namespace

ChatCapabilities capabilities_of(const ChatTemplate& chat_template) {
  ChatRequest question;
  question.messages.push_back(said("user", "Question"));
  ChatRequest instructed = question, equipped = question, reasoned = question;
  instructed.messages.insert(instructed.messages.begin(), said("system", "Instruction"));
  equipped.tools = OrderedJson::array({tool("described")});
  OrderedJson answer = said("assistant", "Answer");
  answer["reasoning_content"] = "Deliberation";
  reasoned.messages.push_back(std::move(answer));
  reasoned.messages.push_back(said("user", "Further question"));

  ChatCapabilities found;
  found.system_role = shows(chat_template, instructed, {"Instruction"});
  found.tools = shows(chat_template, equipped, {"described"});
  found.tool_calls = shows(chat_template, calling({"first_called"}), {"first_called"});
  found.parallel_tool_calls =
      shows(chat_template, calling({"first_called", "then_called"}), {"first_called", "then_called"});
  found.preserve_reasoning = shows(chat_template, reasoned, {"Deliberation"});
  found.reasoning_effort = differs(chat_template, question, "reasoning_effort", "low", "high");
  found.thinks = thinks(chat_template, question);
  return found;
}

}  // namespace lieq::text
