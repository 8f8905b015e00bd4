#include "lieq/io/mapped_file.h"

#include <sys/stat.h>

#include <chrono>
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

TEST(MappedFile, KnowsWhetherTheFileWasWrittenTo) {
  const TemporaryFolder folder;
  const auto path = folder.write("f", "abcdef");
  const MappedFile mapped = *MappedFile::open(path);
  EXPECT_TRUE(mapped.unchanged());
  const auto time = std::filesystem::last_write_time(path);
  std::filesystem::last_write_time(path, time + std::chrono::seconds(1));  // as if it were overwritten
  EXPECT_EQ(mapped.unchanged().error().message,
            path.string() +
                ": was written to while it was in use: found a new time of change, expected the contents it "
                "was opened with");
  std::filesystem::last_write_time(path, time);
  EXPECT_TRUE(mapped.unchanged());
  std::filesystem::resize_file(path, 2);
  EXPECT_EQ(mapped.unchanged().error().message,
            path.string() + ": was written to while it was in use: found 2 bytes, expected the 6 it was opened with");
  std::filesystem::rename(folder.write("g", "another"), path);  // the old one is still what is mapped
  EXPECT_TRUE(mapped.unchanged());
  std::filesystem::remove(path);
  EXPECT_TRUE(mapped.unchanged());
}

TEST(MappedFile, IsFoundByAnAddressInIt) {
  const TemporaryFolder folder;
  const auto one = folder.write("one", "abc"), two = folder.write("two", "defgh");
  std::optional<MappedFile> first = *MappedFile::open(one);
  const MappedFile second = *MappedFile::open(two);
  const std::byte* begin = first->bytes().data();
  EXPECT_EQ(mapped_file_at(begin + 2), one.string());
  EXPECT_EQ(mapped_file_at(second.bytes().data()), two.string());
  EXPECT_EQ(mapped_file_at(begin + 3), nullptr);
  EXPECT_EQ(mapped_file_at(&folder), nullptr);
  first.reset();
  EXPECT_EQ(mapped_file_at(begin), nullptr);
  first = *MappedFile::open(two);
  EXPECT_EQ(mapped_file_at(first->bytes().data()), two.string());
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
