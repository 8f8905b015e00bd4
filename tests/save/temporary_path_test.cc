/// Temporary names: what killed processes left goes, what others are writing stays.

#include "lieq/save/temporary_path.h"

#include <unistd.h>

#include "lieq/io/atomic_file.h"
#include "tests/save/fixture.h"

namespace lieq::save {
namespace {

class TemporaryPathTest : public SaveTest {};

TEST_F(TemporaryPathTest, LeftoversOfKilledProcessesOfTheSameTargetGo) {
  const std::string dead = std::to_string(1 << 30);  // beyond the largest process number
  const std::string alive = std::to_string(::getppid());
  for (const std::string& name :
       {"out.gguf.tmp-" + dead, "out.gguf.tmp-" + dead + ".tmp-" + dead + "-0", "out.gguf.tmp-" + alive,
        "other.gguf.tmp-" + dead, std::string("out.gguf.tmp-backup")})
    ASSERT_TRUE(io::write_file(path_ / name, "half"));
  std::filesystem::create_directories(path_ / ("out-mlx.tmp-" + dead) / "inside");

  const TemporaryPath file(path_ / "out.gguf");
  const TemporaryPath folder(path_ / "out-mlx");
  EXPECT_TRUE(std::filesystem::exists(path_ / ("out.gguf.tmp-" + alive)));
  EXPECT_TRUE(std::filesystem::exists(path_ / ("other.gguf.tmp-" + dead)));
  EXPECT_TRUE(std::filesystem::exists(path_ / "out.gguf.tmp-backup"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path_), {}), 3);
}

TEST_F(TemporaryPathTest, ErrorsNameTheTarget) {
  const TemporaryPath temporary(path_ / "out");
  const Result<int> failed = fail(ErrorCode::kIo, (temporary.path() / "config.json").string() + ": cannot be written");
  EXPECT_EQ(temporary.of_target(failed).error().message, (path_ / "out/config.json").string() + ": cannot be written");
  EXPECT_EQ(*temporary.of_target(Result<int>(7)), 7);
}

TEST_F(TemporaryPathTest, OneOfTheSameNumberIsMadeAnew) {
  const TemporaryPath first(path_ / "out");
  std::filesystem::create_directories(first.path() / "stale");
  const TemporaryPath second(path_ / "out");
  EXPECT_TRUE(second.make_folder());
  EXPECT_TRUE(std::filesystem::is_empty(second.path()));
}

}  // namespace
}  // namespace lieq::save
