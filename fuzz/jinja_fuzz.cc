/// Templates from any bytes: errors are one line, and what renders does so twice alike.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lieq/base/check.h"
#include "lieq/jinja/template.h"

namespace {

using lieq::OrderedJson;
using lieq::jinja::Template;

void check_error(const lieq::Error& error) {
  LIEQ_CHECK(error.message.starts_with("fuzz: ") && error.message.size() < 600);
  LIEQ_CHECK(error.message.find_first_of("\n\r\x1b") == std::string::npos);
}

const OrderedJson& variables() {
  static const auto all = OrderedJson::parse(R"({"messages": [
      {"role": "system", "content": "S"}, {"role": "user", "content": "  U \u00e9 "},
      {"role": "assistant", "content": "<think>\nt\n</think>\n\nA", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1.5}}}]}],
      "tools": [{"name": "f", "parameters": {"x": [1, null, true]}}], "add_generation_prompt": true, "bos_token": "<s>", "x": 3, "l": [3, 1, 2]})");
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = Template::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!parsed) return check_error(parsed.error()), 0;
  const auto first = parsed->render(variables()), second = parsed->render(variables());
  if (!first) return check_error(first.error()), 0;
  const bool asks_the_clock =
      std::string_view(reinterpret_cast<const char*>(data), size).find("strftime_now") != std::string_view::npos;
  LIEQ_CHECK(asks_the_clock || (second && *first == *second));
  return 0;
}
