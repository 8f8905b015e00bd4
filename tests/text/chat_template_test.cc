/// Prompts of conversations against transformers, and where templates are found.

#include "lieq/text/chat_template.h"

#include "tests/io/build_files.h"
#include "tests/text/golden.h"

namespace lieq::text {
namespace {

ChatRequest request_of(const OrderedJson& line) {
  ChatRequest request;
  request.messages = line["messages"];
  request.add_generation_prompt = line["add_generation_prompt"].get<bool>();
  request.arguments = line["kwargs"];
  return request;
}

ChatRequest asking(const std::string& question) {
  ChatRequest request;
  request.messages.push_back({{"role", "user"}, {"content", question}});
  return request;
}

class GoldenChat : public testing::TestWithParam<const char*> {};

TEST_P(GoldenChat, PromptsAndIdsAreExact) {
  const auto folder = kGolden / "tokenizers" / GetParam();
  LIEQ_NEED(folder);
  const auto chat_template = ChatTemplate::load(folder);
  ASSERT_TRUE(chat_template) << chat_template.error().message;
  const auto tokenizer = Tokenizer::from_json_text(read_gz(folder / "tokenizer.json.gz"), GetParam());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  std::ifstream stream(folder / "chat.jsonl");
  std::size_t count = 0;
  for (std::string text; std::getline(stream, text); ++count) {
    const auto line = OrderedJson::parse(text);
    const auto prompt = chat_template->render(request_of(line));
    ASSERT_TRUE(prompt) << prompt.error().message;
    EXPECT_EQ(*prompt, line["prompt"].get<std::string>());
    EXPECT_EQ(tokenizer->encode(*prompt, SpecialTokens::kNone), line["ids"].get<std::vector<TokenId>>())
        << line["name"];
  }
  EXPECT_GE(count, 16U);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GoldenChat, testing::Values("qwen3", "qwen2_5", "llama3_2", "llama2", "smollm2"),
                         [](const auto& test) { return std::string(test.param); });

class ChatTemplateFiles : public testing::Test {
 protected:
  [[nodiscard]] std::string prompt(const ChatRequest& request, const std::string& choice = {}) const {
    const auto loaded = ChatTemplate::load(folder_.path(), choice);
    if (!loaded) return loaded.error().message;
    const auto rendered = loaded->render(request);
    return rendered ? *rendered : rendered.error().message;
  }
  io::TemporaryFolder folder_;
};

TEST_F(ChatTemplateFiles, TheJinjaFileWinsOverTheConfiguration) {
  folder_.write("tokenizer_config.json",
                R"({"chat_template": "config {{ eos_token }}", "eos_token": {"content": "</s>", "lstrip": false}})");
  EXPECT_EQ(prompt(asking("x")), "config </s>");
  folder_.write("chat_template.jinja", "file {{ eos_token }}{{ bos_token is defined }}");
  EXPECT_EQ(prompt(asking("x")), "file </s>False");
  folder_.write("special_tokens_map.json", R"({"bos_token": "<s>", "eos_token": "other"})");
  EXPECT_EQ(prompt(asking("x")), "file </s>True");
}

TEST_F(ChatTemplateFiles, ListsOfTemplates) {
  folder_.write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "plain"},
                                                               {"name": "tool_use", "template": "tools {{ tools | length }}"}]})");
  ChatRequest request = asking("x");
  EXPECT_EQ(prompt(request), "plain");
  request.tools = OrderedJson::array({OrderedJson::object()});
  EXPECT_EQ(prompt(request), "tools 1");
  folder_.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  EXPECT_NE(prompt(request).find("rag, expected one named default"), std::string::npos);
}

TEST_F(ChatTemplateFiles, ToolsMayHaveATemplateInAFolderOfTheirOwn) {
  folder_.write("chat_template.jinja", "plain");
  std::filesystem::create_directory(folder_.path() / "additional_chat_templates");
  folder_.write("additional_chat_templates/tool_use.jinja", "tools {{ tools | length }}");
  ChatRequest request = asking("x");
  EXPECT_EQ(prompt(request), "plain");
  request.tools = OrderedJson::array({OrderedJson::object()});
  EXPECT_EQ(prompt(request), "tools 1");
}

TEST_F(ChatTemplateFiles, NullFieldsOfMessagesAreLeftOut) {
  folder_.write("chat_template.jinja",
                "{% for m in messages %}{{ m.content is defined }} {{ m.tool_calls | length }}{% endfor %}");
  ChatRequest request;
  request.messages.push_back({{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {1, 2}}});
  EXPECT_EQ(prompt(request), "False 2");
}

TEST_F(ChatTemplateFiles, WithoutATemplateTheErrorSaysHowToGiveOne) {
  const auto loaded = ChatTemplate::load(folder_.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kNotFound);
  EXPECT_NE(loaded.error().message.find("--chat-template"), std::string::npos);
  EXPECT_NE(loaded.error().message.find("chatml, llama2, llama3"), std::string::npos);
  EXPECT_NE(prompt(asking("x"), "nonsense").find("'nonsense', expected a file or one of chatml"), std::string::npos);
}

TEST_F(ChatTemplateFiles, BrokenFilesAreNamed) {
  folder_.write("chat_template.jinja", "a\n{% if %}");
  EXPECT_NE(prompt(asking("x")).find("chat_template.jinja: line 2: found '%}', expected an expression"),
            std::string::npos)
      << prompt(asking("x"));
  folder_.write("tokenizer_config.json", "[1]");
  EXPECT_NE(prompt(asking("x")).find("tokenizer_config.json: found a list of 1, expected an object"),
            std::string::npos);
}

TEST_F(ChatTemplateFiles, BuiltInTemplates) {
  ChatRequest request;
  for (const auto& [role, content] :
       {std::pair{"system", "Be brief."}, {"user", "Hi "}, {"assistant", "Hello"}, {"user", "Bye"}})
    request.messages.push_back({{"role", role}, {"content", content}});
  EXPECT_EQ(prompt(request, "chatml"),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|>\n"
            "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(prompt(request, "llama3"),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
            "Hello<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(prompt(request, "llama2"),
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]");
}

TEST_F(ChatTemplateFiles, ReasoningHasOneName) {
  folder_.write("chat_template.jinja",
                "{% for m in messages %}{{ m.reasoning_content }}/{{ m.thinking }};{% endfor %}");
  ChatRequest request;
  for (const char* name : {"reasoning_content", "thinking", "reasoning", "other"})
    request.messages.push_back({{"role", "assistant"}, {"content", "x"}, {name, name}});
  EXPECT_EQ(prompt(request), "reasoning_content/reasoning_content;thinking/thinking;reasoning/reasoning;/;");
}

}  // namespace
}  // namespace lieq::text
