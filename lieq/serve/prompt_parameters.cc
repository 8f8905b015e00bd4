/// Prompts: texts, token ids, or the messages of a chat.

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/serve/request.h"

namespace lieq::serve {
namespace {

ApiResult<std::vector<TokenId>> tokens_of(const std::string& text, const std::string& param, const Served& served) {
  std::vector<TokenId> ids = served.bundle->tokenizer.encode(text, text::SpecialTokens::kAdd);
  const auto& starts = served.bundle->model.config.bos_token_id;
  if (ids.empty() && !starts.empty()) ids.push_back(static_cast<TokenId>(starts.front()));
  if (ids.empty()) return bad_parameter(param, "found an empty text, expected at least one token");
  return ids;
}

bool is_token_list(const OrderedJson& value) { return value.is_array() && !value.empty() && value.front().is_number(); }

ApiResult<std::vector<TokenId>> read_prompt(const OrderedJson& value, const std::string& param, const Served& served) {
  if (value.is_string()) return tokens_of(value.get_ref<const std::string&>(), param, served);
  if (!is_token_list(value))
    return bad_parameter(param, fmt::format("found {}, expected a text or a list of token ids", in_words(value)));
  std::vector<TokenId> ids;
  for (const OrderedJson& one : value) {
    LIEQ_API_ASSIGN(const TokenId id, read_token(one, param, served));
    ids.push_back(id);
  }
  return ids;
}

ApiResult<void> check_length(const std::vector<TokenId>& ids, const std::string& param, const Served& served) {
  const std::size_t vocabulary = served.bundle->model.config.vocab_size;
  for (const TokenId id : ids)
    if (static_cast<std::size_t>(id) >= vocabulary)
      return bad_parameter(param,
                           fmt::format("holds token {}, which the model with its {} tokens lacks", id, vocabulary));
  if (ids.size() < served.context) return {};
  ApiError error{
      400, fmt::format("{}: found {} tokens, expected fewer than the context of {}", param, ids.size(), served.context),
      param, "context_length_exceeded"};
  return tl::unexpected(std::move(error));
}

/// A list of {"type": "text", "text"} as one text, which is what most templates expect.
ApiResult<std::string> joined_text(const OrderedJson& parts, const std::string& param) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", param, i);
    const OrderedJson& part = parts[i];
    if (!part.is_object() || !part.contains("type"))
      return bad_parameter(place, fmt::format("found {}, expected an object with a type", in_words(part)));
    if (part["type"] != "text")
      return bad_parameter(place + ".type", fmt::format("found {}, expected \"text\"", in_words(part["type"])));
    if (!part.contains("text") || !part["text"].is_string()) return bad_parameter(place + ".text", "expected a string");
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

/// Templates expect the arguments of calls as an object; clients send its JSON.
ApiResult<OrderedJson> read_tool_calls(const OrderedJson& calls, const std::string& param) {
  if (!calls.is_array()) return bad_parameter(param, fmt::format("found {}, expected a list", in_words(calls)));
  OrderedJson read = calls;
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (!read[i].is_object() || !read[i].contains("function") || !read[i]["function"].is_object() ||
        !read[i]["function"].contains("name") || !read[i]["function"]["name"].is_string())
      return bad_parameter(fmt::format("{}[{}]", param, i), "expected an object with function.name");
    OrderedJson& function = read[i]["function"];
    if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
    OrderedJson arguments = OrderedJson::parse(function["arguments"].get<std::string>(), nullptr, false);
    if (arguments.is_object()) function["arguments"] = std::move(arguments);
  }
  return read;
}

ApiResult<OrderedJson> read_message(const OrderedJson& original, const std::string& param) {
  if (!original.is_object())
    return bad_parameter(param, fmt::format("found {}, expected an object", in_words(original)));
  OrderedJson message = original;
  if (!message.contains("role") || !message["role"].is_string())
    return bad_parameter(
        param + ".role",
        fmt::format("found {}, expected a string", message.contains("role") ? in_words(message["role"]) : "nothing"));
  if (message["role"] == "developer") message["role"] = "system";
  const bool calls = message.contains("tool_calls") && !message["tool_calls"].is_null();
  if (calls) {
    LIEQ_API_ASSIGN(message["tool_calls"], read_tool_calls(message["tool_calls"], param + ".tool_calls"));
  }
  const OrderedJson content = message.contains("content") ? message["content"] : OrderedJson();
  if (content.is_array()) {
    LIEQ_API_ASSIGN(message["content"], joined_text(content, param + ".content"));
  } else if (content.is_null()) {
    if (!calls) return bad_parameter(param + ".content", "found nothing, expected a text");
    message["content"] = "";
  } else if (!content.is_string()) {
    return bad_parameter(param + ".content", fmt::format("found {}, expected a text or a list", in_words(content)));
  }
  return message;
}

ApiResult<void> read_tools(Parameters& parameters, ChatPrompt& prompt, OrderedJson& tools) {
  const OrderedJson* given = parameters.find("tools");
  if (!given) return read_tool_choice(parameters, prompt);
  if (!given->is_array()) return bad_parameter("tools", fmt::format("found {}, expected a list", in_words(*given)));
  for (std::size_t i = 0; i < given->size(); ++i) {
    const OrderedJson& tool = (*given)[i];
    const std::string param = fmt::format("tools[{}]", i);
    if (!tool.is_object() || !tool.contains("function") || !tool["function"].is_object() ||
        !tool["function"].contains("name") || !tool["function"]["name"].is_string())
      return bad_parameter(param, "expected an object with function.name");
    if (tool.contains("type") && tool["type"] != "function")
      return bad_parameter(param + ".type", fmt::format("found {}, expected \"function\"", in_words(tool["type"])));
    prompt.tool_names.push_back(tool["function"]["name"].get<std::string>());
  }
  LIEQ_API_TRY(read_tool_choice(parameters, prompt));
  const OrderedJson* choice = parameters.find("tool_choice");
  if (given->empty() || (choice && *choice == "none")) return {};
  tools = *given;
  prompt.tools = true;
  return {};
}

/// Variables of the template: chat_template_kwargs, and OpenAI's reasoning_effort under the name that the template
/// knows.
ApiResult<OrderedJson> read_variables(Parameters& parameters, const text::ChatTemplate& chat_template) {
  OrderedJson variables = OrderedJson::object();
  LIEQ_API_ASSIGN(const auto effort, parameters.string("reasoning_effort"));
  if (effort) {
    const bool none = *effort == "none" && chat_template.mentions("enable_thinking");
    if (!none && !chat_template.mentions("reasoning_effort"))
      return bad_parameter(
          "reasoning_effort",
          fmt::format("found {}, but the model's chat template has no place for it", in_words(OrderedJson(*effort))));
    if (none) variables["enable_thinking"] = false;
    variables["reasoning_effort"] = *effort;
  }
  if (const OrderedJson* given = parameters.find("chat_template_kwargs")) {
    if (!given->is_object())
      return bad_parameter("chat_template_kwargs", fmt::format("found {}, expected an object", in_words(*given)));
    variables.update(*given);
  }
  return variables;
}

/// llama.cpp's reasoning_format: whether what a model thinks is told apart from what it answers.
ApiResult<bool> read_reasoning_format(Parameters& parameters) {
  LIEQ_API_ASSIGN(const auto format, parameters.string("reasoning_format"));
  if (!format || *format == "auto" || *format == "deepseek") return true;
  if (*format == "none") return false;
  return bad_parameter("reasoning_format", fmt::format("found {}, expected \"auto\", \"deepseek\" or \"none\"",
                                                       in_words(OrderedJson(*format))));
}

/// Stands behind the words of the last message while the template renders it: what follows there is the template's.
constexpr std::string_view kEnd = "\x02end of the words\x03";
constexpr std::string_view kBlanks = " \t\r\n";

/// Cuts a rendered prompt where the words of the last message end. A template that trims messages would have trimmed
/// the blanks at the end of the words. Errors: the template left them out.
ApiResult<void> cut_behind_words(std::string& prompt) {
  const std::size_t end = prompt.rfind(kEnd);
  if (end == prompt.npos)
    return bad_parameter("continue_final_message", "the chat template leaves out the words of the last message");
  const bool trims = prompt.substr(end + kEnd.size(), 1) != " ";  // what stood behind it
  prompt.resize(end);
  if (trims) prompt.resize(prompt.find_last_not_of(kBlanks) + 1);
  return {};
}

/// vLLM's and transformers' continue_final_message: the answer goes on with the last message instead of beginning one.
ApiResult<bool> read_continuation(Parameters& parameters, text::ChatRequest& chat) {
  LIEQ_API_ASSIGN(const auto add_prompt, parameters.boolean("add_generation_prompt"));
  LIEQ_API_ASSIGN(const auto goes_on, parameters.boolean("continue_final_message"));
  chat.add_generation_prompt = add_prompt.value_or(!goes_on.value_or(false));
  if (!goes_on.value_or(false)) return false;
  if (chat.add_generation_prompt)
    return bad_parameter("continue_final_message", "expected add_generation_prompt to be false beside it");
  if (chat.messages.back()["role"] != "assistant")
    return bad_parameter("continue_final_message", "expected the last message to be one of the assistant's");
  return true;
}

}  // namespace

ApiResult<ChatPrompt> read_chat_prompt(Parameters& parameters, const Served& served) {
  if (!served.chat_template)
    return tl::unexpected(ApiError{400,
                                   "the model has no chat template: start the server with --chat-template, or use "
                                   "/v1/completions"});
  ChatPrompt prompt;
  text::ChatRequest chat;
  const OrderedJson* messages = parameters.find("messages");
  if (!messages || !messages->is_array() || messages->empty())
    return bad_parameter(
        "messages", fmt::format("found {}, expected a list of messages", messages ? in_words(*messages) : "nothing"));
  for (std::size_t i = 0; i < messages->size(); ++i) {
    LIEQ_API_ASSIGN(OrderedJson message, read_message((*messages)[i], fmt::format("messages[{}]", i)));
    chat.messages.push_back(std::move(message));
  }
  LIEQ_API_TRY(read_tools(parameters, prompt, chat.tools));
  if (prompt.tools && !served.chat_template->mentions("tools"))
    return bad_parameter("tools", "the model's chat template has no place for tools");
  LIEQ_API_ASSIGN(chat.arguments, read_variables(parameters, *served.chat_template));
  LIEQ_API_ASSIGN(const bool goes_on, read_continuation(parameters, chat));
  std::string words;
  if (goes_on) {
    OrderedJson& content = chat.messages.back()["content"];
    if (content.is_string()) words = content.get<std::string>();
    if (words.find_first_not_of(kBlanks) == words.npos)
      return bad_parameter("continue_final_message", "expected words in the last message");
    content = words + std::string(kEnd) + " ";
  }
  auto text = served.chat_template->render(chat);
  if (!text) return bad_parameter("messages", "the chat template refuses them: " + text.error().message);
  prompt.text = std::move(*text);
  if (goes_on) LIEQ_API_TRY(cut_behind_words(prompt.text));
  prompt.in_reasoning = opens_reasoning(prompt.text, words);
  return prompt;
}

ApiResult<void> read_prompts(Parameters& parameters, const Served& served, TextRequest& request) {
  if (request.route == Route::kChat) {
    LIEQ_API_ASSIGN(const ChatPrompt prompt, read_chat_prompt(parameters, served));
    request.prompts.push_back(served.bundle->tokenizer.encode(prompt.text, text::SpecialTokens::kNone));
    if (request.prompts.back().empty()) return bad_parameter("messages", "make an empty prompt");
    request.output.form = output_form(served.chat_template->source());
    if (!prompt.tools) request.output.form.tools = ToolForm::kNone;
    request.output.tool_names = prompt.tool_names;
    request.output.one_call = prompt.one_call;
    LIEQ_API_ASSIGN(const bool told_apart, read_reasoning_format(parameters));
    request.output.form.reasoning = request.output.form.reasoning && told_apart;
    request.output.in_reasoning = told_apart && prompt.in_reasoning;
    request.keep_special = request.output.form.tools != ToolForm::kNone;
    if (!prompt.must_call.empty()) LIEQ_API_TRY(require_call(parameters, served, prompt, request));
    return check_length(request.prompts.back(), "messages", served);
  }
  constexpr std::size_t kMostPrompts = 128;
  const OrderedJson* value = parameters.find("prompt");
  if (!value) return bad_parameter("prompt", "found nothing, expected a text, a list of texts, or token ids");
  if (value->is_array() && !is_token_list(*value)) {
    if (value->empty() || value->size() > kMostPrompts)
      return bad_parameter("prompt", fmt::format("found a list of {}, expected 1 to {}", value->size(), kMostPrompts));
    for (std::size_t i = 0; i < value->size(); ++i) {
      LIEQ_API_ASSIGN(auto ids, read_prompt((*value)[i], fmt::format("prompt[{}]", i), served));
      request.prompts.push_back(std::move(ids));
    }
  } else {
    LIEQ_API_ASSIGN(auto ids, read_prompt(*value, "prompt", served));
    request.prompts.push_back(std::move(ids));
  }
  for (const auto& ids : request.prompts) LIEQ_API_TRY(check_length(ids, "prompt", served));
  return {};
}

}  // namespace lieq::serve
