#include "lieq/hub/digest.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/golden.h"

namespace lieq::hub {
namespace {

TEST(Digest, KnownValues) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "lieq_digest_test";
  std::ofstream(file, std::ios::binary) << "hello\n";
  // sha256sum and git hash-object of "hello\n".
  const std::string known = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
  const std::string git = "ce013625030ba8dba906f756967f9e9ca394464a";
  EXPECT_EQ(test::must(digest(file, Checksum::kSha256)), known);
  EXPECT_EQ(sha256("hello\n"), known);
  EXPECT_EQ(test::must(digest(file, Checksum::kGitBlob)), git);
  EXPECT_EQ(checksum_of(known), Checksum::kSha256);
  EXPECT_EQ(checksum_of(git), Checksum::kGitBlob);
  EXPECT_EQ(checksum_of("an-etag"), Checksum::kNone);
  EXPECT_EQ(checksum_of(""), Checksum::kNone);
  std::ofstream(file, std::ios::binary | std::ios::trunc);
  EXPECT_EQ(test::must(digest(file, Checksum::kGitBlob)), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  std::filesystem::remove(file);
  EXPECT_EQ(digest(file, Checksum::kSha256).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lieq::hub
