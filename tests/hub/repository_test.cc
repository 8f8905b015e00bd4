#include "lieq/hub/repository.h"

#include <gtest/gtest.h>

namespace lieq::hub {
namespace {

TEST(Repository, PartsOfAName) {
  const auto plain = parse_repository("org/name-1.5_b");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->id, "org/name-1.5_b");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(plain->pick, "");
  const auto full = parse_repository("org/name@refs/pr/1:sub/a-Q4_K_M.gguf");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->id, "org/name");
  EXPECT_EQ(full->revision, "refs/pr/1");
  EXPECT_EQ(full->pick, "sub/a-Q4_K_M.gguf");
  EXPECT_EQ(cache_name(*full), "models--org--name");
}

TEST(Repository, PathsAreNoRepositories) {
  for (const char* text :
       {"", "name", "a/b/c", "/a/b", "./a", "../a", "a/..", "a/.b", "a/b--c", "a/b.gguf", "a/tokenizer.json",
        "a/b:", "a/b@", "a/b:../c", "a/b@../c", "a b/c", "a/b\n", "-a/b", "a/b-"})
    EXPECT_FALSE(parse_repository(text)) << text;
}

TEST(Repository, SafePaths) {
  for (const char* path : {"a", "a/b.c", "..a", "a b", "\xc3\xa9"}) EXPECT_TRUE(is_safe_path(path)) << path;
  for (const char* path : {"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a\nb", "\x7f"})
    EXPECT_FALSE(is_safe_path(path)) << path;
  EXPECT_TRUE(is_safe_path(std::string(255, 'a')));
  EXPECT_FALSE(is_safe_path(std::string(256, 'a')));
  EXPECT_FALSE(is_safe_path(std::string_view("a\0b", 3)));
}

TEST(Repository, CommitsAndBlobs) {
  EXPECT_TRUE(is_commit(std::string(40, 'a')));
  EXPECT_FALSE(is_commit(std::string(40, 'A')));
  EXPECT_FALSE(is_commit(std::string(39, 'a')));
  EXPECT_TRUE(is_blob_name("0af-3_Z"));
  for (const char* name : {"", ".", "..", "a/b", "a.b", "\""}) EXPECT_FALSE(is_blob_name(name)) << name;
}

TEST(Repository, PercentEncoding) {
  EXPECT_EQ(percent_encoded("a b/c?#%\xc3\xa9~", true), "a%20b/c%3F%23%25%C3%A9~");
  EXPECT_EQ(percent_encoded("refs/pr/1", false), "refs%2Fpr%2F1");
}

}  // namespace
}  // namespace lieq::hub
