#include "lieq/serve/tool_calls.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lieq/base/json.h"

namespace lieq::serve {
namespace {

constexpr std::string_view kThink = "<think>", kEndThink = "</think>";
constexpr std::string_view kCall = "<tool_call>", kEndCall = "</tool_call>";
constexpr std::string_view kPython = "<|python_tag|>";
constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kMaxCallBytes = 1 << 20;  ///< what is longer is no call

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// How many bytes at the end of `text` could be the start of `marker`.
std::size_t partial(std::string_view text, std::string_view marker) {
  for (std::size_t count = std::min(text.size(), marker.size() - 1); count > 0; --count) {
    if (text.ends_with(marker.substr(0, count))) return count;
  }
  return 0;
}

std::size_t skip_blanks(std::string_view text) { return std::min(text.find_first_not_of(kBlanks), text.size()); }

struct Extent {
  std::optional<std::size_t> end;  ///< nullopt: it is not finished
  std::size_t depth = 0;           ///< of nesting, at most
};

/// Of the JSON value at the start of `text`.
Extent extent_of(std::string_view text) {
  std::size_t depth = 0;
  Extent extent;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      extent.depth = std::max(extent.depth, ++depth);
    } else if (c == '}' || c == ']') {
      if (depth <= 1) {
        extent.end = i + 1;
        return extent;
      }
      --depth;
    }
  }
  return extent;
}

/// The call that a JSON object says. Arguments may be given under either name, as an object or as its text.
std::optional<ToolCall> call_from(std::string_view text) {
  constexpr std::size_t kMaxDepth = 200;
  text.remove_prefix(skip_blanks(text));
  if (extent_of(text).depth > kMaxDepth) return std::nullopt;
  const OrderedJson json = OrderedJson::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) return std::nullopt;
  for (const char* key : {"arguments", "parameters"}) {
    if (!json.contains(key)) continue;
    OrderedJson arguments = json[key];
    if (arguments.is_string()) {
      const auto inner = arguments.get<std::string>();
      if (extent_of(inner).depth > kMaxDepth) return std::nullopt;
      arguments = OrderedJson::parse(inner, nullptr, false);
    }
    if (arguments.is_null()) arguments = OrderedJson::object();
    if (!arguments.is_object()) return std::nullopt;
    return ToolCall{json["name"].get<std::string>(),
                    arguments.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)};
  }
  return std::nullopt;
}

}  // namespace

OutputForm output_form(std::string_view chat_template) {
  OutputForm form;
  if (contains(chat_template, kCall)) {
    form.tools = ToolForm::kHermes;
  } else if (contains(chat_template, kPython) ||
             (contains(chat_template, "<|start_header_id|>") && contains(chat_template, "\"parameters\""))) {
    form.tools = ToolForm::kLlama3;
  }
  form.reasoning = contains(chat_template, kThink) || contains(chat_template, kEndThink);
  return form;
}

CallFrame call_frame(ToolForm form, const std::string& name) {
  const std::string quoted = OrderedJson(name).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  if (form == ToolForm::kLlama3) return {R"({"name": )" + quoted + R"(, "parameters": )", "}"};
  return {std::string(kCall) + "\n{\"name\": " + quoted + ", \"arguments\": ", "}\n" + std::string(kEndCall)};
}

bool opens_reasoning(std::string_view prompt, std::string_view words) {
  const std::size_t last = prompt.find_last_not_of(kBlanks);
  if (last != prompt.npos && prompt.substr(0, last + 1).ends_with(kThink)) return true;
  const std::size_t opened = words.rfind(kThink), closed = words.rfind(kEndThink);
  return opened != words.npos && (closed == words.npos || closed < opened);
}

OutputParser::OutputParser(OutputOptions options)
    : options_(std::move(options)), state_(options_.in_reasoning ? State::kReasoning : State::kStart) {
  if (state_ == State::kStart && !options_.form.reasoning) {
    state_ = answer_state();
  }
}

/// Where an answer begins. Small models of the Hermes form often leave its tags out.
OutputParser::State OutputParser::answer_state() const {
  const bool bare = options_.form.tools == ToolForm::kLlama3 ||
                    (options_.form.tools == ToolForm::kHermes && !options_.tool_names.empty());
  return bare ? State::kBareCall : State::kContent;
}

std::vector<OutputPart> OutputParser::add(std::string_view text) {
  held_ += text;
  std::vector<OutputPart> parts;
  run(false, parts);
  return parts;
}

std::vector<OutputPart> OutputParser::finish() {
  std::vector<OutputPart> parts;
  run(true, parts);
  return parts;
}

void OutputParser::run(bool last, std::vector<OutputPart>& parts) {
  for (bool more = true; more;) {
    switch (state_) {
      case State::kStart: more = run_start(last); break;
      case State::kReasoning: more = run_reasoning(last, parts); break;
      case State::kContent: more = run_content(last, parts); break;
      case State::kCall: more = run_call(last, parts); break;
      case State::kBareCall: more = run_bare_call(last, parts); break;
      case State::kEnd:
        held_.clear();
        more = false;
        break;
    }
  }
}

/// Adds to the last part of the same kind, or begins one. Blanks at the end wait for what follows.
void OutputParser::put(OutputPart::Kind kind, std::string_view text, std::vector<OutputPart>& parts) {
  const bool trimmed = kind == OutputPart::Kind::kReasoning || after_call_;
  if (trimmed && !any_text_) text.remove_prefix(skip_blanks(text));
  if (text.empty()) return;
  any_text_ = true;
  std::string whole = std::exchange(blanks_, {}) + std::string(text);
  const bool waits = kind == OutputPart::Kind::kReasoning || options_.form.tools == ToolForm::kHermes;
  if (waits) {
    const std::size_t end = whole.find_last_not_of(kBlanks) + 1;
    blanks_ = whole.substr(end);
    whole.resize(end);
  }
  if (whole.empty()) return;
  if (!parts.empty() && parts.back().kind == kind)
    parts.back().text += whole;
  else
    parts.push_back({kind, std::move(whole)});
}

void OutputParser::put(ToolCall call, std::vector<OutputPart>& parts) {
  parts.push_back({OutputPart::Kind::kToolCall, {}, std::move(call)});
  any_text_ = false;
  after_call_ = true;
  if (options_.one_call) state_ = State::kEnd;
}

/// Before the answer: <think>, or none.
bool OutputParser::run_start(bool last) {
  const std::size_t begin = skip_blanks(held_);
  const std::string_view rest = std::string_view(held_).substr(begin);
  if (rest.starts_with(kThink)) {
    held_.erase(0, begin + kThink.size());
    state_ = State::kReasoning;
    return true;
  }
  if (!last && kThink.starts_with(rest)) return false;
  state_ = answer_state();
  return true;
}

bool OutputParser::run_reasoning(bool last, std::vector<OutputPart>& parts) {
  const std::size_t end = held_.find(kEndThink);
  if (end == held_.npos) {
    const std::size_t keep = last ? 0 : partial(held_, kEndThink);
    put(OutputPart::Kind::kReasoning, std::string_view(held_).substr(0, held_.size() - keep), parts);
    held_.erase(0, held_.size() - keep);
    return false;
  }
  put(OutputPart::Kind::kReasoning, std::string_view(held_).substr(0, end), parts);
  held_.erase(0, end + kEndThink.size());
  blanks_.clear();
  any_text_ = false;
  after_call_ = true;  // blanks before the answer are left out
  state_ = answer_state();
  return true;
}

bool OutputParser::run_content(bool last, std::vector<OutputPart>& parts) {
  const bool hermes = options_.form.tools == ToolForm::kHermes, llama = options_.form.tools == ToolForm::kLlama3;
  const std::string_view marker = hermes ? kCall : kPython;
  const std::size_t begin = hermes || llama ? held_.find(marker) : held_.npos;
  if (begin == held_.npos) {
    const std::size_t keep = last || !(hermes || llama) ? 0 : partial(held_, marker);
    put(OutputPart::Kind::kContent, std::string_view(held_).substr(0, held_.size() - keep), parts);
    held_.erase(0, held_.size() - keep);
    if (last && !blanks_.empty() && !after_call_) {
      // The blanks were the model's own end of its words.
      const std::string rest = std::exchange(blanks_, {});
      if (!parts.empty() && parts.back().kind == OutputPart::Kind::kContent)
        parts.back().text += rest;
      else
        parts.push_back({OutputPart::Kind::kContent, rest});
    }
    return false;
  }
  put(OutputPart::Kind::kContent, std::string_view(held_).substr(0, begin), parts);
  held_.erase(0, begin);
  state_ = hermes ? State::kCall : State::kBareCall;
  return true;
}

/// held_ begins with <tool_call>.
bool OutputParser::run_call(bool last, std::vector<OutputPart>& parts) {
  const std::size_t end = held_.find(kEndCall);
  if (end == held_.npos && !last && held_.size() < kMaxCallBytes) return false;
  const std::size_t stop = std::min(end, held_.size());
  auto call = call_from(std::string_view(held_).substr(kCall.size(), stop - kCall.size()));
  state_ = State::kContent;
  if (call) {
    held_.erase(0, end == held_.npos ? held_.size() : end + kEndCall.size());
    blanks_.clear();
    put(std::move(*call), parts);
  } else {
    put(OutputPart::Kind::kContent, std::string_view(held_).substr(0, kCall.size()), parts);
    held_.erase(0, kCall.size());
  }
  return true;
}

/// Where an answer begins, and behind <|python_tag|>: calls, separated by ';' or blanks.
bool OutputParser::run_bare_call(bool last, std::vector<OutputPart>& parts) {
  std::size_t begin = skip_blanks(held_);
  const auto rest = [&] { return std::string_view(held_).substr(begin); };
  const bool llama = options_.form.tools == ToolForm::kLlama3, tagged = llama && rest().starts_with(kPython);
  if (tagged)
    begin += kPython.size() + skip_blanks(rest().substr(kPython.size()));
  else if (llama && !last && kPython.starts_with(rest()))
    return false;
  if (after_call_ && !tagged && rest().starts_with(';')) begin += 1 + skip_blanks(rest().substr(1));
  if (rest().empty() && !last) return false;
  if (rest().starts_with('{')) {
    const auto end = extent_of(rest()).end;
    if (!end && !last && held_.size() < kMaxCallBytes) return false;
    auto call = call_from(end ? rest().substr(0, *end) : rest());
    const auto& names = options_.tool_names;
    if (call && (tagged || names.empty() || std::find(names.begin(), names.end(), call->name) != names.end())) {
      held_.erase(0, begin + end.value_or(held_.size() - begin));
      put(std::move(*call), parts);
      return !held_.empty();
    }
  }
  if (tagged) {
    // Not JSON: the marker itself is shown, so that nothing the model wrote is lost.
    put(OutputPart::Kind::kContent, std::string_view(held_).substr(0, begin), parts);
    held_.erase(0, begin);
  }
  state_ = State::kContent;
  return true;
}

ParsedOutput parse_output(std::string_view text, OutputOptions options) {
  OutputParser parser(std::move(options));
  ParsedOutput output;
  const auto take = [&](std::vector<OutputPart> parts) {
    for (OutputPart& part : parts) {
      if (part.kind == OutputPart::Kind::kToolCall)
        output.calls.push_back(std::move(part.call));
      else
        (part.kind == OutputPart::Kind::kReasoning ? output.reasoning : output.content) += part.text;
    }
  };
  take(parser.add(text));
  take(parser.finish());
  return output;
}

}  // namespace lieq::serve
