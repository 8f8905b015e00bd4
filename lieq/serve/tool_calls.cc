#include "lieq/serve/tool_calls.h"

namespace lieq::serve {
OutputForm output_form(std::string_view) { return {}; }
bool opens_reasoning(std::string_view) { return false; }
OutputParser::OutputParser(OutputOptions) {}
std::vector<OutputPart> OutputParser::add(std::string_view text) {
  if (text.empty()) return {};
  return {{OutputPart::Kind::kContent, std::string(text), {}}};
}
std::vector<OutputPart> OutputParser::finish() { return {}; }
bool OutputParser::in_reasoning() const { return false; }
}  // namespace lieq::serve
