#include "lieq/hub/select.h"

#include <gtest/gtest.h>

#include "tests/support/golden.h"

namespace lieq::hub {
namespace {

using Files = std::vector<std::string>;

Repository repository(const std::string& pick = "") { return {Kind::kModel, "org/name", "main", pick}; }

TEST(Select, ANeededFileOfEveryKindAndNothingElse) {
  const Listing listing{"",
                        {".gitattributes", "LICENSE", "README.md", "USE_POLICY.md", "added_tokens.json",
                         "chat_template.jinja", "config.json", "consolidated.safetensors", "flax_model.msgpack",
                         "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                         "model.safetensors.index.json", "original/config.json", "pytorch_model-00001-of-00002.bin",
                         "pytorch_model.bin.index.json", "merges.txt", "tokenizer.model", "gguf/model-Q4_0.gguf"}};
  const Choice choice = test::must(choose(listing, repository(), {}));
  EXPECT_EQ(choice.files, (Files{"LICENSE", "USE_POLICY.md", "added_tokens.json", "chat_template.jinja", "config.json",
                                 "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                                 "model.safetensors.index.json", "merges.txt", "tokenizer.model"}));
  EXPECT_EQ(choice.model, "");
}

TEST(Select, QuantsAreWholeWords) {
  const Listing listing{"",
                        {"m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m.Q4_0.gguf", "m.Q4_0_4_4.gguf", "m-IQ2_M.gguf",
                         "Q6_K/m-Q6_K-00002-of-00002.gguf", "Q6_K/m-Q6_K-00001-of-00002.gguf", "m-f16.gguf",
                         "m-imatrix.gguf", "mmproj-f16.gguf"}};
  const auto model = [&](const std::string& pick) {
    const auto choice = choose(listing, repository(pick), {});
    return choice ? choice->model : "";
  };
  EXPECT_EQ(model(""), "m-Q4_K_M.gguf");
  EXPECT_EQ(model("q4_k_s"), "m-Q4_K_S.gguf");
  EXPECT_EQ(model("Q4_0"), "m.Q4_0.gguf");
  EXPECT_EQ(model("F16"), "m-f16.gguf");
  EXPECT_EQ(model("Q6_K"), "Q6_K/m-Q6_K-00001-of-00002.gguf");
  EXPECT_EQ(test::must(choose(listing, repository("Q6_K"), {})).files.size(), 2u);
  EXPECT_EQ(model("Q6_K/m-Q6_K"), "Q6_K/m-Q6_K-00001-of-00002.gguf");
  EXPECT_EQ(model("mmproj-f16.gguf"), "");
  EXPECT_EQ(choose(listing, repository("Q2_M"), {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(choose(listing, repository("Q4_K"), {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(choose({"", {"a-Q8_0.gguf", "b-Q8_0.gguf"}}, repository("Q8_0"), {}).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(test::must(choose({"", {"only-Q8_0.gguf"}}, repository(), {})).model, "only-Q8_0.gguf");
}

TEST(Select, Patterns) {
  const Listing listing{"", {"a.txt", "b/c.txt", "b/d.bin"}};
  EXPECT_EQ(test::must(choose(listing, repository(), {{"*.txt"}, {}})).files, (Files{"a.txt", "b/c.txt"}));
  EXPECT_EQ(test::must(choose(listing, repository(), {{"b/"}, {"*.bin"}})).files, (Files{"b/c.txt"}));
  EXPECT_EQ(choose(listing, repository(), {{"*"}, {"*"}}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(choose(listing, repository(), {}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(choose({"", {"a.txt"}}, repository(), {}).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lieq::hub
