#include "lieq/io/atomic_file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/io/build_files.h"

namespace lieq::io {
namespace {

TEST(WriteFile, WritesAndReplaces) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out.json";
  const std::string large(300000, 'x');
  for (const std::string& contents : {std::string("one"), large, std::string(), std::string("\0\n\r", 3)}) {
    const auto written = write_file(path, contents);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(read_file(path).value(), contents);
    EXPECT_EQ(folder.count(), 1U);
  }
}

TEST(WriteFile, RemovesWhatKilledWritersLeft) {
  const TemporaryFolder folder;
  const std::string dead = std::to_string(1 << 30);  // beyond the largest process number
  folder.write("out.json.tmp-" + dead + "-0", "half");
  folder.write("other.json.tmp-" + dead + "-0", "half");
  const auto writing = AtomicFile::create(folder.path() / "out.json");  // another one's, alive
  ASSERT_TRUE(write_file(folder.path() / "out.json", "whole"));
  EXPECT_EQ(folder.count(), 3U);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / ("out.json.tmp-" + dead + "-0")));
}

TEST(WriteFile, TakesARelativePath) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  EXPECT_TRUE(write_file("out", "x"));
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(folder.path() / "out").value(), "x");
}

void expect_refused(const std::filesystem::path& path) {
  const auto written = write_file(path, "x");
  ASSERT_FALSE(written) << path;
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
  EXPECT_EQ(written.error().message.rfind(path.string() + ": cannot be written: ", 0), 0U) << written.error().message;
}

TEST(WriteFile, RefusesAMissingFolderAndOddTargets) {
  const TemporaryFolder folder;
  expect_refused(folder.path() / "none" / "out");
  expect_refused(folder.write("file", "old") / "out");
  expect_refused(folder.path());
  expect_refused("/dev/full");
  expect_refused("/dev/null");
  EXPECT_EQ(folder.count(), 1U);
}

TEST(WriteFile, RefusesAFolderItMayNotWriteTo) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TemporaryFolder folder;
  const auto closed = folder.path() / "closed";
  std::filesystem::create_directory(closed);
  std::filesystem::permissions(closed, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  expect_refused(closed / "out");
}

/// A limit on file sizes fails like a full disk: some bytes are written, then no more.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

TEST(WriteFile, LeavesTheOldFileWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  const auto path = folder.write("out", "old");
  {
    const FileSizeLimit limit(4096);
    const auto written = write_file(path, std::string(10000, 'x'));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kIo);
  }
  EXPECT_EQ(read_file(path).value(), "old");
  EXPECT_EQ(folder.count(), 1U);
}

TEST(AtomicFile, AppearsOnlyWithTheCommit) {
  const TemporaryFolder folder;
  const auto path = folder.write("out", "old");
  {
    auto file = AtomicFile::create(path);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE(file->append("ne"));
    EXPECT_EQ(read_file(path).value(), "old");
    AtomicFile moved = std::move(*file);
    ASSERT_TRUE(moved.append("w"));
    ASSERT_TRUE(std::move(moved).commit());
  }
  EXPECT_EQ(read_file(path).value(), "new");
  {
    auto abandoned = AtomicFile::create(path);
    ASSERT_TRUE(abandoned);
    ASSERT_TRUE(abandoned->append("half"));
    EXPECT_EQ(folder.count(), 2U);
  }
  EXPECT_EQ(read_file(path).value(), "new");
  EXPECT_EQ(folder.count(), 1U);
}

TEST(WriteFile, ReplacesALinkAndLeavesItsTarget) {
  const TemporaryFolder folder;
  const auto target = folder.write("target", "old");
  std::filesystem::create_symlink(target, folder.path() / "link");
  ASSERT_TRUE(write_file(folder.path() / "link", "new"));
  EXPECT_EQ(read_file(target).value(), "old");
  EXPECT_EQ(read_file(folder.path() / "link").value(), "new");
}

TEST(ReadFile, TellsMissingFromUnreadable) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_file(folder.path() / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_file(folder.path()).error().code, ErrorCode::kIo);
  EXPECT_EQ(read_file(folder.write("empty", "")).value(), "");
}

}  // namespace
}  // namespace lieq::io
