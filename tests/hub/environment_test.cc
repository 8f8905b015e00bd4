#include "lieq/hub/environment.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/golden.h"

namespace lieq::hub {
namespace {

Result<Environment> read(const std::map<std::string, std::string>& variables) {
  return read_environment([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Environment, Defaults) {
  const Environment e = test::must(read({{"HOME", "/nowhere/me"}}));
  EXPECT_EQ(e.cache, "/nowhere/me/.cache/huggingface/hub");
  EXPECT_EQ(e.data, "/nowhere/me/.cache/lieq/data");
  EXPECT_EQ(e.endpoint, "https://huggingface.co");
  EXPECT_EQ(e.rows_server, "https://datasets-server.huggingface.co");
  EXPECT_EQ(e.token, "");
  EXPECT_FALSE(e.offline);
  EXPECT_TRUE(e.progress);
  EXPECT_EQ(e.download_timeout, 10u);
  EXPECT_EQ(e.etag_timeout, 10u);
}

TEST(Environment, EachVariable) {
  const Environment e = test::must(read({{"HOME", "/h"},
                                         {"HF_HOME", "~/hf"},
                                         {"HF_TOKEN", " t\n"},
                                         {"HUGGING_FACE_HUB_TOKEN", "old"},
                                         {"HF_ENDPOINT", "https://mirror/"},
                                         {"HF_HUB_OFFLINE", "yes"},
                                         {"HF_HUB_DISABLE_PROGRESS_BARS", "1"},
                                         {"HF_HUB_DOWNLOAD_TIMEOUT", "30"},
                                         {"HF_HUB_ETAG_TIMEOUT", "3"}}));
  EXPECT_EQ(e.cache, "/h/hf/hub");
  EXPECT_EQ(e.token, "t");
  EXPECT_EQ(e.token_source, "HF_TOKEN");
  EXPECT_EQ(e.endpoint, "https://mirror");
  EXPECT_TRUE(e.offline);
  EXPECT_FALSE(e.progress);
  EXPECT_EQ(e.download_timeout, 30u);
  EXPECT_EQ(e.etag_timeout, 3u);
  EXPECT_EQ(test::must(read({{"HOME", "/h"}, {"HUGGINGFACE_HUB_CACHE", "/old"}})).cache, "/old");
  EXPECT_EQ(test::must(read({{"HOME", "/h"}, {"HUGGINGFACE_HUB_CACHE", "/old"}, {"HF_HUB_CACHE", "/new"}})).cache,
            "/new");
  EXPECT_EQ(test::must(read({{"HF_HOME", "/hf"}, {"XDG_CACHE_HOME", "/x"}})).data, "/x/lieq/data");
  EXPECT_EQ(test::must(read({{"HOME", "/h"}, {"HF_TOKEN", "t"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}})).token, "");
  EXPECT_FALSE(test::must(read({{"HOME", "/h"}, {"HF_HUB_OFFLINE", "0"}})).offline);
}

TEST(Environment, WrongValuesNameTheVariable) {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"HF_HUB_DOWNLOAD_TIMEOUT", "-1"},
                                                                      {"HF_HUB_ETAG_TIMEOUT", "1.5"},
                                                                      {"HF_ENDPOINT", "file:///etc"},
                                                                      {"LIEQ_DATASETS_SERVER", "https://u:p@x"},
                                                                      {"HF_TOKEN", "a\nb"}}) {
    const auto result = read({{"HOME", "/h"}, {name, value}});
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(result.error().message.starts_with(name + ":")) << result.error().message;
  }
  EXPECT_TRUE(read({}).error().message.starts_with("HOME:"));
}

}  // namespace
}  // namespace lieq::hub
