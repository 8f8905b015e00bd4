#pragma once
/// What a model writes, taken apart: its reasoning, its words, and the tools it calls.

#include <string>
#include <string_view>
#include <vector>

namespace lieq::serve {

/// How a model writes calls of tools.
enum class ToolForm {
  kNone,
  kHermes,  ///< <tool_call>{"name": ..., "arguments": {...}}</tool_call>: Hermes, Qwen; or bare, as the whole answer
  kLlama3,  ///< {"name": ..., "parameters": {...}} as the whole answer, or behind <|python_tag|>
};

/// What to look for in a model's output.
struct OutputForm {
  ToolForm tools = ToolForm::kNone;
  bool reasoning = false;  ///< <think> ... </think> before the answer
};

/// Told from the text of the chat template.
[[nodiscard]] OutputForm output_form(std::string_view chat_template);

/// What stands before and after the arguments where a call of `name` is written alone, as the models of a form were
/// trained to.
struct CallFrame {
  std::string before, after;
};
[[nodiscard]] CallFrame call_frame(ToolForm form, const std::string& name);

/// Whether a rendered prompt ends inside <think>: where the template opens it for the model, or `words`, with which the
/// answer is to go on, leave it open.
[[nodiscard]] bool opens_reasoning(std::string_view prompt, std::string_view words = {});

struct ToolCall {
  std::string name;
  std::string arguments;  ///< JSON text of an object
  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

/// A piece of a message.
struct OutputPart {
  enum class Kind { kContent, kReasoning, kToolCall } kind = Kind::kContent;
  std::string text = {};  ///< of content and reasoning; not empty
  ToolCall call = {};
};

struct OutputOptions {
  OutputForm form;
  bool in_reasoning = false;                 ///< opens_reasoning(prompt)
  std::vector<std::string> tool_names = {};  ///< a bare {"name": ...} is a call only of one of these
  bool one_call = false;                     ///< nothing comes after the first call
};

/// Takes text apart as it comes. What could still become a marker, or belongs to a call, is held back; a call is given
/// whole. What begins like a call but is none comes out as content, unchanged. Blanks and line ends around reasoning
/// and calls are left out.
class OutputParser {
 public:
  explicit OutputParser(OutputOptions options);

  [[nodiscard]] std::vector<OutputPart> add(std::string_view text);
  /// The rest; once, at the end.
  [[nodiscard]] std::vector<OutputPart> finish();
  /// Whether what comes next is reasoning: a grammar for the answer begins where this is false.
  [[nodiscard]] bool in_reasoning() const { return state_ == State::kReasoning; }
  /// Nothing that could still come would be given out.
  [[nodiscard]] bool ended() const { return state_ == State::kEnd; }

 private:
  enum class State { kStart, kReasoning, kContent, kCall, kBareCall, kEnd };

  [[nodiscard]] State answer_state() const;
  void run(bool last, std::vector<OutputPart>& parts);
  bool run_start(bool last);
  bool run_reasoning(bool last, std::vector<OutputPart>& parts);
  bool run_content(bool last, std::vector<OutputPart>& parts);
  bool run_call(bool last, std::vector<OutputPart>& parts);
  bool run_bare_call(bool last, std::vector<OutputPart>& parts);
  void put(OutputPart::Kind kind, std::string_view text, std::vector<OutputPart>& parts);
  void put(ToolCall call, std::vector<OutputPart>& parts);

  OutputOptions options_;
  State state_;
  std::string held_;
  std::string blanks_;     ///< of the current text, held back until more of it comes
  bool any_text_ = false;  ///< of the current kind since it began
  bool after_call_ = false;
};

struct ParsedOutput {
  std::string content, reasoning;
  std::vector<ToolCall> calls;
};

/// A whole output taken apart.
[[nodiscard]] ParsedOutput parse_output(std::string_view text, OutputOptions options);

}  // namespace lieq::serve
