#include "lieq/save/temporary_path.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string_view>
#include <system_error>
#include <vector>

namespace lieq::save {
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

/// What processes that were killed have left of the same target.
void remove_leftovers(const fs::path& target) {
  std::error_code error;
  const std::string name = target.filename().string();
  std::vector<fs::path> leftovers;
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const pid_t pid = maker_of(entry->path().filename().string(), name);
    if (pid != 0 && is_gone(pid)) leftovers.push_back(entry->path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
}

}  // namespace

TemporaryPath::TemporaryPath(const std::filesystem::path& target)
    : target_(target), path_(target.string() + std::string(kMark) + std::to_string(::getpid())) {
  remove_leftovers(target_);
  // One of this very number is of a process of another time or machine.
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

TemporaryPath::~TemporaryPath() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<void> TemporaryPath::make_folder() const {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) return fail(ErrorCode::kIo, target_.string() + ": cannot be made: " + error.message());
  return {};
}

void TemporaryPath::rename_in(std::string& message) const {
  const std::size_t at = message.find(path_.string());
  if (at != std::string::npos) message.replace(at, path_.string().size(), target_.string());
}

Result<void> TemporaryPath::rename() {
  std::error_code error;
  std::filesystem::rename(path_, target_, error);
  if (error) return fail(ErrorCode::kIo, target_.string() + ": cannot be written: " + error.message());
  path_.clear();
  return {};
}

}  // namespace lieq::save
