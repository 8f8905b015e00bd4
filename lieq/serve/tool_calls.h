#pragma once
/// Reasoning and calls of tools in a model's output.

#include <string>
#include <string_view>
#include <vector>

namespace lieq::serve {

enum class ToolForm { kNone, kHermes, kLlama3 };
struct OutputForm {
  ToolForm tools = ToolForm::kNone;
  bool reasoning = false;
};
[[nodiscard]] OutputForm output_form(std::string_view chat_template);
[[nodiscard]] bool opens_reasoning(std::string_view prompt);
struct ToolCall {
  std::string name;
  std::string arguments;
};
struct OutputPart {
  enum class Kind { kContent, kReasoning, kToolCall } kind = Kind::kContent;
  std::string text;
  ToolCall call;
};
struct OutputOptions {
  OutputForm form;
  bool in_reasoning = false;
  std::vector<std::string> tool_names;
};
class OutputParser {
 public:
  explicit OutputParser(OutputOptions options);
  [[nodiscard]] std::vector<OutputPart> add(std::string_view text);
  [[nodiscard]] std::vector<OutputPart> finish();
  [[nodiscard]] bool in_reasoning() const;
};

}  // namespace lieq::serve
