#include "lieq/io/mapped_file.h"

#include <sys/stat.h>

#include <optional>

#include <gtest/gtest.h>

#include "tests/io/build_files.h"

namespace lieq::io {
namespace {

TEST(MappedFile, LivesAsLongAsTheLastCopy) {
  const TemporaryFolder folder;
  std::optional<MappedFile> first = *MappedFile::open(folder.write("f", "abc"));
  const MappedFile copy = *first;
  first.reset();
  std::filesystem::remove(folder.path() / "f");
  ASSERT_EQ(copy.bytes().size(), 3U);
  EXPECT_EQ(copy.bytes()[2], std::byte{'c'});
  EXPECT_EQ(copy.name(), (folder.path() / "f").string());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  const auto code = [](const std::filesystem::path& path) { return MappedFile::open(path).error().code; };
  EXPECT_EQ(code(folder.path() / "none"), ErrorCode::kNotFound);
  EXPECT_EQ(code(folder.write("f", "abc") / "below"), ErrorCode::kNotFound);
  EXPECT_EQ(code(folder.path()), ErrorCode::kIo);
  EXPECT_EQ(code(folder.write("empty", "")), ErrorCode::kInvalidFormat);
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(code(folder.path() / "pipe"), ErrorCode::kIo);  // and does not wait for a writer
  EXPECT_EQ(MappedFile::open(folder.path()).error().message,
            folder.path().string() + ": found a folder, expected a file");
}

}  // namespace
}  // namespace lieq::io
