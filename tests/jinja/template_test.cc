/// The template interpreter against jinja2, and what it does with hostile templates.

#include "lieq/jinja/template.h"

#include <fstream>

#include <gtest/gtest.h>

#include "lieq/base/json.h"
#include "tests/support/json_lines.h"

namespace lieq::jinja {
namespace {

const std::filesystem::path kCases = std::filesystem::path(LIEQ_TEST_DATA_DIR) / "jinja";

Result<std::string> render(const std::string& source, const OrderedJson& variables = OrderedJson::object()) {
  LIEQ_ASSIGN(const Template parsed, Template::parse(source, "t"));
  return parsed.render(variables);
}

std::string rendered(const std::string& source, const OrderedJson& variables = OrderedJson::object()) {
  auto result = render(source, variables);
  return result ? *result : "error: " + result.error().message;
}

/// The message of the error that `source` must end in: one printable line that names a line of the template.
std::string refused(const std::string& source, const OrderedJson& variables = OrderedJson::object()) {
  const auto result = render(source, variables);
  if (result) {
    ADD_FAILURE() << source.substr(0, 200) << " gives " << result->substr(0, 200);
    return {};
  }
  const std::string& message = result.error().message;
  EXPECT_TRUE(message.starts_with("t: line ")) << message;
  EXPECT_LT(message.size(), 600U);
  EXPECT_EQ(message.find_first_of("\n\r\x1b"), std::string::npos);
  return message;
}

/// cases.jsonl holds what jinja2 makes of them; see make_cases.py beside it.
TEST(Jinja, EqualsTheReference) {
  const auto variables = OrderedJson::parse(std::ifstream(kCases / "variables.json"));
  std::size_t count = 0, errors = 0;
  for (const Json& line : test::read_lines(kCases / "cases.jsonl")) {
    const auto source = line["template"].get<std::string>();
    if (line.contains("out")) EXPECT_EQ(rendered(source, variables), line["out"].get<std::string>()) << source;
    else ++errors, refused(source, variables);
    ++count;
  }
  EXPECT_GT(count, 600U);
  EXPECT_GT(errors, 80U);
}

TEST(Jinja, KeysKeepTheirOrder) {
  const auto variables = OrderedJson::parse(R"({"tool": {"z": 1, "a": {"y": [1, 2.0, null, true], "b": "é\u2028\"/</"}}})");
  EXPECT_EQ(rendered("{{ tool | tojson }}", variables),
            "{\"z\": 1, \"a\": {\"y\": [1, 2.0, null, true], \"b\": \"é\u2028\\\"/</\"}}");
  EXPECT_EQ(rendered("{% for k in tool %}{{ k }}{% endfor %}", variables), "za");
}

TEST(Jinja, ErrorsNameTheLineAndWhatWasExpected) {
  const auto contains = [](const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts) EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  contains(refused("a\n{% if x %}\nb"), {"line 3", "end of the template", "'endif'", "line 2"});
  contains(refused("a\n\n{{ x + }}"), {"line 3", "found '}}'", "an expression"});
  contains(refused("{% for i in x %}{% endif %}"), {"line 1", "'endif'", "expected"});
  contains(refused("\n{{ x.y.z }}"), {"line 2", "'x' is undefined"});
  contains(refused("{{ 'a'\n | nonsense }}"), {"line 2", "filter 'nonsense'", "not known"});
  contains(refused("{{ 1 is nonsense }}"), {"test 'nonsense'"});
  contains(refused("{{ 1 + 'a' }}"), {"line 1", "'int' and 'str'"});
  contains(refused("{% include 'x' %}"), {"found 'include'"});
  contains(refused("x\n{{ raise_exception('roles must\nalternate') }}"),
           {"line 2", "refuses", "roles must\\x0aalternate"});
  EXPECT_EQ(render("{{ raise_exception('x') }}", {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(render("{{ 1/0 }}", OrderedJson::object()).error().code, ErrorCode::kInvalidFormat);
  refused(std::string("{{ '\xFF\x1b' + 1 }}\xFF"));
}

TEST(Jinja, NothingSetInALoopOutlivesItsRound) {
  EXPECT_EQ(rendered("{% set a = 0 %}{% for i in [1, 2] %}{{ a }}{% set a = a + i %}{{ a }},{% endfor %}{{ a }}"),
            "01,02,0");
  EXPECT_EQ(
      rendered("{% set ns = namespace(a=0) %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}"),
      "3");
  EXPECT_EQ(rendered("{% if true %}{% set a = 1 %}{% endif %}{{ a }}"), "1");
}

TEST(Jinja, MacrosOutliveTheirScope) {
  EXPECT_EQ(
      rendered(
          "{% set ns = namespace(m=none) %}{% for i in [7] %}{% macro m() %}{{ i }}{% endmacro %}{% set ns.m = m %}"
          "{% endfor %}{{ ns.m() }}"),
      "7");
}

/// Values that hold one another in circles are freed: the leak checker of the sanitizer build watches.
TEST(Jinja, CirclesAreTakenApart) {
  EXPECT_EQ(rendered("{% set ns = namespace() %}{% set ns.a = [ns] %}{% set ns.b = {'n': ns} %}{{ ns.a | length }}"),
            "1");
  EXPECT_EQ(rendered("{% set ns = namespace() %}{% for i in [1] %}{% set ns.l = loop %}{% set k = ns %}{% set _ = "
                     "loop.changed(loop) %}"
                     "{% endfor %}{{ ns.l.index }}"),
            "1");
  EXPECT_EQ(rendered("{% macro m() %}{% endmacro %}{% set ns = namespace(m=m) %}{% set x = [m, ns] %}ok"), "ok");
}

std::string repeated(const std::string& part, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += part;
  return all;
}

TEST(Hostile, DeepTemplatesAreRefused) {
  constexpr std::size_t kMany = 20000;
  for (const char* part : {"(", "[", "{1:", "-", "not ", "x(", "x[", "x if x else ", "'a' ~ ("})
    refused("{{ " + repeated(part, kMany));
  for (const char* part : {"x.y", "x|upper", "x()", "x[1]"})
    refused("{{ x" + repeated(std::string(part).substr(1), kMany) + " }}");
  for (const char* part : {"+x", " and x", " or x", "*x", "**x", "is defined"})
    refused("{{ x" + repeated(part, kMany) + " }}");
  for (const char* part : {"{% if x %}", "{% for i in x %}", "{% set x %}", "{% filter upper %}"})
    refused(repeated(part, kMany));
  EXPECT_EQ(rendered("{{ " + repeated("(", 100) + "1" + repeated(")", 100) + " }}"), "1");
}

TEST(Hostile, RecursionIsBounded) {
  refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  refused("{% macro m(x) %}{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}{% endmacro %}{{ m() }}");
  refused("{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}");
  refused("{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = ({'a': ns.x}).items %}{% endfor %}");
  EXPECT_EQ(
      rendered(
          "{% set ns = namespace(x=1) %}{% for i in range(5000) %}{% set ns.x = namespace(x=ns.x) %}{% endfor %}ok"),
      "ok");
}

TEST(Hostile, WorkIsBounded) {
  refused("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
  refused("{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}");
  refused("{{ 'a' * 9000000000 }}");
  refused("{{ [1] * 100000 * 100000 }}");
  refused("{{ 'a'.center(9000000000) }}");
  refused("{{ 'a' | indent(9000000000) }}");
  refused("{{ '%999999999d' % 1 }}");
  refused("{{ {'a': 1} | tojson(indent=999999999) }}");
  refused("{{ 'aaaa'.replace('', 'b' * 100000000) }}");
  // A short template for a long text: each list holds the one before it ten times.
  refused(
      "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(20) %}{% set ns.x = [ns.x, ns.x, ns.x, ns.x, ns.x, "
      "ns.x] %}{% endfor %}{{ ns.x }}");
  refused(
      "{% set ns = namespace(x=1) %}{% for i in range(20) %}{% set ns.x = [ns.x, ns.x, ns.x, ns.x, ns.x, ns.x] %}{% "
      "endfor %}"
      "{{ ns.x == [ns.x[0], ns.x[0], ns.x[0], ns.x[0], ns.x[0], ns.x[0]] }}{{ ns.x in [ns.x] }}{{ ns.x | tojson }}");
  refused("{{ 9223372036854775807 + 1 }}");
  refused("{{ 2 ** 64 }}");
  refused("{{ -9223372036854775807 - 2 }}");
  refused("{{ 99999999999999999999 }}");
  EXPECT_EQ(
      rendered(
          "{{ 9223372036854775807 % -1 }} {{ (-9223372036854775807 - 1) // 1 }} {{ [1, 2][::9223372036854775807] }}"),
      "0 -9223372036854775808 [1]");
}

TEST(Hostile, DeepVariablesAreRefused) {
  OrderedJson deep = 1;
  for (int i = 0; i < 150; ++i) deep = OrderedJson::array({deep});
  const auto result = render("x", {{"v", deep}});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("nested deeper"), std::string::npos);
}

}  // namespace
}  // namespace lieq::jinja
