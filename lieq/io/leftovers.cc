#include "lieq/io/leftovers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string_view>
#include <system_error>
#include <vector>

namespace lieq::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";

/// The process that made `name` as a temporary name of `target`; 0: it is none.
pid_t maker_of(std::string_view name, std::string_view target) {
  if (!name.starts_with(target)) return 0;
  name.remove_prefix(target.size());
  if (!name.starts_with(kMark)) return 0;
  name.remove_prefix(kMark.size());
  pid_t pid = 0;
  return std::from_chars(name.data(), name.data() + name.size(), pid).ec == std::errc() && pid > 0 ? pid : 0;
}

bool is_gone(pid_t pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

bool is_held(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  const bool held = ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return held;
}

}  // namespace

std::string temporary_name(const fs::path& target) {
  return target.string() + std::string(kMark) + std::to_string(::getpid());
}

void remove_leftovers(const fs::path& target) {
  std::error_code error;
  const std::string name = target.filename().string();
  std::vector<fs::path> leftovers;
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const pid_t pid = maker_of(entry->path().filename().string(), name);
    if (pid != 0 && is_gone(pid) && !is_held(entry->path())) leftovers.push_back(entry->path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
}

}  // namespace lieq::io
