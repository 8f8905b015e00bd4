#include "lieq/io/folder_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include <gtest/gtest.h>

#include "tests/io/build_files.h"

namespace lieq::io {
namespace {

TEST(FolderLock, IsHeldByOneAtATime) {
  const TemporaryFolder folder;
  std::optional<FolderLock> first;
  first.emplace(*FolderLock::take(folder.path(), "out"));
  const auto second = FolderLock::take(folder.path(), "out");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "out: another run (process " + std::to_string(::getpid()) + ") works here, expected to be the only one");
  first.reset();
  EXPECT_EQ(folder.count(), 0U);
  EXPECT_TRUE(FolderLock::take(folder.path(), "out"));
}

TEST(FolderLock, RemovesTheFolderItMadeUnlessSomethingLiesThere) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "new";
  EXPECT_TRUE(FolderLock::take_new(path, "out"));
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    const auto lock = FolderLock::take_new(path, "out");
    std::filesystem::create_directory(path / "inside");
  }
  EXPECT_TRUE(std::filesystem::is_empty(path / "inside"));
  EXPECT_FALSE(std::filesystem::exists(path / FolderLock::kName));
}

TEST(FolderLock, OfAKilledProcessIsNobodys) {
  const TemporaryFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FolderLock::take(folder.path(), "out");
    static_cast<void>(::write(ready[1], lock ? "y" : "n", 1) == 1);
    ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_FALSE(FolderLock::take(folder.path(), "out"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / FolderLock::kName));
  EXPECT_TRUE(FolderLock::take(folder.path(), "out"));
}

}  // namespace
}  // namespace lieq::io
