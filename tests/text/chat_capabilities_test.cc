#include "lieq/text/chat_capabilities.h"

#include <string>

#include "tests/text/golden.h"

namespace lieq::text {
namespace {

ChatCapabilities capabilities_of_text(const std::string& source) {
  const auto loaded = ChatTemplate::from_text(source, OrderedJson::object(), "template");
  EXPECT_TRUE(loaded) << loaded.error().message;
  return capabilities_of(*loaded);
}

TEST(ChatCapabilities, OfATemplateThatTakesWhatItIsGiven) {
  const auto all = capabilities_of_text(
      "{{ tools | tojson }}{% for m in messages %}{{ m | tojson }}{% endfor %}{% if enable_thinking %}<think>{% endif "
      "%}");
  EXPECT_TRUE(all.system_role && all.tools && all.tool_calls && all.parallel_tool_calls && all.preserve_reasoning);
  EXPECT_FALSE(all.reasoning_effort);
  EXPECT_EQ(all.thinks, false);
}

TEST(ChatCapabilities, OfOneThatRefusesOrLeavesOut) {
  const auto none = capabilities_of_text(
      "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('no') }}{% endif %}"
      "{{ m.content }}{% endfor %}{# enable_thinking #}");
  EXPECT_FALSE(none.system_role || none.tools || none.tool_calls || none.parallel_tool_calls ||
               none.preserve_reasoning);
  EXPECT_EQ(none.thinks, std::nullopt);
  const auto first_call_only =
      capabilities_of_text("{% for m in messages %}{{ (m.tool_calls or [none])[0] }}{% endfor %}");
  EXPECT_TRUE(first_call_only.tool_calls);
  EXPECT_FALSE(first_call_only.parallel_tool_calls);
}

TEST(ChatCapabilities, OfOneThatIsToldHowHardToThink) {
  EXPECT_TRUE(capabilities_of_text("Reasoning: {{ reasoning_effort or 'medium' }}").reasoning_effort);
}

TEST(ChatCapabilities, OfOneThatThinksUnlessToldNotTo) {
  EXPECT_EQ(
      capabilities_of_text("{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}")
          .thinks,
      true);
}

TEST(ChatCapabilities, OfPublishedTemplates) {
  const auto folder = kGolden / "tokenizers";
  LIEQ_NEED(folder / "qwen3");
  LIEQ_NEED(folder / "qwen2_5");
  const auto qwen3 = ChatTemplate::load(folder / "qwen3"), qwen2_5 = ChatTemplate::load(folder / "qwen2_5");
  ASSERT_TRUE(qwen3 && qwen2_5);
  const ChatCapabilities newer = capabilities_of(*qwen3), older = capabilities_of(*qwen2_5);
  for (const ChatCapabilities& one : {newer, older})
    EXPECT_TRUE(one.system_role && one.tools && one.tool_calls && one.parallel_tool_calls);
  // Qwen3 leaves out what was thought before the last question.
  EXPECT_FALSE(newer.preserve_reasoning || older.preserve_reasoning);
  EXPECT_FALSE(newer.reasoning_effort || older.reasoning_effort);
  EXPECT_EQ(newer.thinks, true);
  EXPECT_EQ(older.thinks, std::nullopt);
}

}  // namespace
}  // namespace lieq::text
