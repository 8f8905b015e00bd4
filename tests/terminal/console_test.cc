/// What a log hears of long work: each stage by name, and a line at least every ten seconds however long a step takes.

#include "lieq/terminal/console.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "lieq/io/atomic_file.h"

namespace lieq::terminal {
namespace {

/// Standard error into a file while one lives.
class Log {
 public:
  Log() : path_(testing::TempDir() + "lieq-console-" + std::to_string(::getpid()) + ".log"), before_(::dup(STDERR_FILENO)) {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
  }
  ~Log() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }
  [[nodiscard]] std::string text() const { return io::read_file(path_).value_or(""); }
  /// Waits for a line that the console's thread owes.
  [[nodiscard]] bool holds(const std::string& part) const {
    for (int i = 0; i < 500; ++i) {
      if (text().find(part) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

 private:
  std::string path_;
  int before_;
};

TEST(Console, NamesAStageThatGoesOnForASecond) {
  Log log;
  Console console;
  console.progress("quantising layers", 0, 30);
  console.detail("inputs of down: windows", 4, 48);
  EXPECT_TRUE(log.holds("quantising layers: 0 of 30 (0 %); inputs of down: windows 4 of 48\n")) << log.text();
}

TEST(Console, SaysNothingOfStagesThatAreOverAtOnce) {
  Log log;
  {
    Console console;
    for (std::size_t i = 0; i <= 10; ++i) console.progress("perplexity", i, 10);
  }
  EXPECT_EQ(log.text(), "");
}

TEST(Console, WarningsAndNotesComeAtOnce) {
  Log log;
  Console console;
  console.warn("t.txt: short");
  console.note("going on after layer 3 of 30");
  EXPECT_EQ(log.text(), "lieq: warning: t.txt: short\ngoing on after layer 3 of 30\n");
}

}  // namespace
}  // namespace lieq::terminal
