/// Outputs of models taken apart, whole and in pieces of any size.

#include "lieq/serve/tool_calls.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lieq::serve {
namespace {

struct Expected {
  std::string content, reasoning;
  std::vector<ToolCall> calls;
};

/// What comes of `text` when it arrives `size` bytes at a time. No part may be empty.
ParsedOutput in_pieces(const std::string& text, const OutputOptions& options, std::size_t size) {
  OutputParser parser(options);
  ParsedOutput output;
  const auto take = [&](const std::vector<OutputPart>& parts) {
    for (const OutputPart& part : parts) {
      if (part.kind == OutputPart::Kind::kToolCall) {
        output.calls.push_back(part.call);
      } else {
        EXPECT_FALSE(part.text.empty());
        (part.kind == OutputPart::Kind::kReasoning ? output.reasoning : output.content) += part.text;
      }
    }
  };
  for (std::size_t at = 0; at < text.size(); at += size) take(parser.add(text.substr(at, size)));
  take(parser.finish());
  return output;
}

void expect(const std::string& text, const OutputOptions& options, const Expected& expected) {
  const ParsedOutput whole = parse_output(text, options);
  EXPECT_EQ(whole.content, expected.content) << text;
  EXPECT_EQ(whole.reasoning, expected.reasoning) << text;
  EXPECT_EQ(whole.calls, expected.calls) << text;
  for (const std::size_t size : {1U, 2U, 3U, 7U}) {
    const ParsedOutput pieces = in_pieces(text, options, size);
    EXPECT_EQ(pieces.content, expected.content) << text << "\n" << size;
    EXPECT_EQ(pieces.reasoning, expected.reasoning) << text << "\n" << size;
    EXPECT_EQ(pieces.calls, expected.calls) << text << "\n" << size;
  }
}

const OutputOptions kPlain{.form = {}}, kHermes{.form = {ToolForm::kHermes, false}},
    kQwen3{.form = {ToolForm::kHermes, true}},
    kLlama{.form = {ToolForm::kLlama3, false}, .tool_names = {"f", "get_weather"}};

TEST(ToolCalls, NothingAfterTheFirstWhereOneIsWanted) {
  OutputOptions hermes = kQwen3, llama = kLlama;
  hermes.one_call = llama.one_call = true;
  const std::string call = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  expect("<think>a</think>Well. \n" + call + "\n" + call + " and so on", hermes, {"Well.", "a", {{"f", "{}"}}});
  expect("No call.\n", hermes, {"No call.\n", "", {}});
  expect(R"({"name": "f", "parameters": {}}; {"name": "f", "parameters": {}})", llama, {"", "", {{"f", "{}"}}});
  OutputParser parser(hermes);
  EXPECT_FALSE(parser.add(call.substr(0, 5)).size() || parser.ended());
  EXPECT_EQ(parser.add(call.substr(5)).size(), 1u);
  EXPECT_TRUE(parser.ended() && parser.finish().empty());
}

TEST(ToolCalls, Hermes) {
  expect("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1, \"b\": \"é}\"}}\n</tool_call>", kHermes,
         {"", "", {{"f", R"({"a":1,"b":"é}"})"}}});
  expect(
      "Let me see.\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>\n{\"arguments\": {\"z\": "
      "[1]}, \"name\": \"g\"}</tool_call>\n",
      kHermes, {"Let me see.", "", {{"f", "{}"}, {"g", R"({"z":[1]})"}}});
  expect(R"(<tool_call>{"name": "f", "arguments": "{\"a\": 2}"}</tool_call> Done.)", kHermes,
         {"Done.", "", {{"f", R"({"a":2})"}}});
  expect("<tool_call>{\"name\": \"f\", \"arguments\": null}", kHermes,
         {"", "", {{"f", "{}"}}});  // the end tag was a stop
  // None of these is a call; nothing is lost.
  for (const char* text :
       {"a < b <tool", "<tool_call>not json</tool_call> rest ",
        "<tool_call>{\"name\": 3, \"arguments\": {}}</tool_call>", "<tool_call>{\"name\": \"f\"}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>", " two  blanks \n\n", "<tool_call>"}) {
    expect(text, kHermes, {text, "", {}});
  }
  expect("<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", kPlain,
         {"<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>", "", {}});
}

TEST(ToolCalls, HermesWithoutTags) {
  const OutputOptions options{.form = {ToolForm::kHermes, true}, .tool_names = {"f"}};
  expect(R"({"name": "f", "arguments": {"a": 1}})", options, {"", "", {{"f", R"({"a":1})"}}});
  expect(
      "<think>x</think>\n{\"name\": \"f\", \"arguments\": {}}\n<tool_call>{\"name\": \"g\", \"arguments\": "
      "{}}</tool_call>",
      options, {"", "x", {{"f", "{}"}, {"g", "{}"}}});
  for (const char* text :
       {R"({"name": "g", "arguments": {}})", R"({"a": 1} and more)", "{ a", "words {\"name\": \"f\"}"}) {
    expect(text, options, {text, "", {}});
  }
}

TEST(ToolCalls, Reasoning) {
  expect("<think>\nHm, <b>.\n</think>\n\nThe answer.\n", {.form = {ToolForm::kNone, true}},
         {"The answer.\n", "Hm, <b>.", {}});
  expect("<think>\nI call.\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", kQwen3,
         {"", "I call.", {{"f", "{}"}}});
  expect("no thoughts", kQwen3, {"no thoughts", "", {}});
  expect("<thin ice", kQwen3, {"<thin ice", "", {}});
  expect("<think>cut off", kQwen3, {"", "cut off", {}});
  expect("opened by the prompt</think>yes", {.form = {ToolForm::kNone, true}, .in_reasoning = true},
         {"yes", "opened by the prompt", {}});
  expect("<think>\n\n</think>\n\nyes", kQwen3, {"yes", "", {}});
  expect("<think>kept</think>", kPlain, {"<think>kept</think>", "", {}});

  OutputParser parser({.form = {ToolForm::kNone, true}, .in_reasoning = true});
  EXPECT_TRUE(parser.in_reasoning());
  (void)parser.add("a</thi");
  EXPECT_TRUE(parser.in_reasoning());
  (void)parser.add("nk>");
  EXPECT_FALSE(parser.in_reasoning());
}

TEST(ToolCalls, Llama3) {
  expect(R"({"name": "f", "parameters": {"a": "b"}})", kLlama, {"", "", {{"f", R"({"a":"b"})"}}});
  expect(R"(<|python_tag|>{"type": "function", "name": "other", "parameters": {}})", kLlama,
         {"", "", {{"other", "{}"}}});
  expect(R"({"name": "f", "parameters": {}}; {"name": "get_weather", "parameters": {"x": "}"}})", kLlama,
         {"", "", {{"f", "{}"}, {"get_weather", R"({"x":"}"})"}}});
  // JSON that the user asked for is no call.
  for (const char* text : {R"({"name": "Ada", "parameters": {}})", R"({"a": 1})", R"({"name": "f", "param)", "{",
                           "Hello {\"name\": \"f\", \"parameters\": {}}", "<|python"}) {
    expect(text, kLlama, {text, "", {}});
  }
}

TEST(ToolCalls, TextComesAsSoonAsItIsSettled) {
  OutputParser parser(kHermes);
  EXPECT_EQ(parser.add("Hello").at(0).text, "Hello");
  EXPECT_TRUE(parser.add(" <to").empty());
  EXPECT_EQ(parser.add("p>").at(0).text, " <top>");
  OutputParser plain(kPlain);
  EXPECT_EQ(plain.add(" \n").at(0).text, " \n");
}

TEST(ToolCalls, HostileOutputsAreContent) {
  const std::string deep = "{\"name\": \"f\", \"arguments\": " + std::string(100000, '[');
  EXPECT_EQ(parse_output("<tool_call>" + deep + "</tool_call>", kHermes).content.size(), deep.size() + 23);
  EXPECT_EQ(parse_output(deep, kLlama).content, deep);
  EXPECT_TRUE(parse_output(std::string(100000, '<') + "tool_call>", kHermes).calls.empty());
}

TEST(ToolCalls, TheFormIsToldByTheTemplate) {
  EXPECT_EQ(output_form("{% if tools %}<tool_call></tool_call>{% endif %}").tools, ToolForm::kHermes);
  EXPECT_EQ(output_form("<|start_header_id|> ... {\"name\": ..., \"parameters\": ...}").tools, ToolForm::kLlama3);
  EXPECT_EQ(output_form("<|im_start|>{{ message.content }}").tools, ToolForm::kNone);
  EXPECT_TRUE(output_form("content.split('</think>')").reasoning);
  EXPECT_FALSE(output_form("<|im_start|>").reasoning);
  EXPECT_TRUE(opens_reasoning("<|Assistant|><think>\n"));
  EXPECT_FALSE(opens_reasoning("<think>\n\n</think>\n\n"));
  EXPECT_FALSE(opens_reasoning(""));
  EXPECT_TRUE(opens_reasoning("<|Assistant|><think>\nLet me", "<think>\nLet me"));
  EXPECT_FALSE(opens_reasoning("<|Assistant|><think>\nso</think>It", "<think>\nso</think>It"));
  EXPECT_FALSE(opens_reasoning("What is <think>?<|Assistant|>It", "It")) << "the user's words";
}

}  // namespace
}  // namespace lieq::serve
