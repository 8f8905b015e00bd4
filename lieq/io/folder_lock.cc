#include "lieq/io/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace lieq::io {
namespace {

/// Whether `path` is still the name of the file that was opened: who held the lock before may have removed it
/// meanwhile.
bool is_at(const std::filesystem::path& path, int fd) {
  struct stat here {
  }, opened{};
  return ::stat(path.c_str(), &here) == 0 && ::fstat(fd, &opened) == 0 && here.st_dev == opened.st_dev &&
         here.st_ino == opened.st_ino;
}

std::string holder(int fd) {
  char text[24] = {};
  const ssize_t got = ::pread(fd, text, sizeof text - 1, 0);
  return got > 0 ? " (process " + std::string(text, static_cast<std::size_t>(got)) + ")" : "";
}

Unexpected refused(const std::string& place, int error) {
  return fail(ErrorCode::kIo, place + ": cannot be written: " + std::generic_category().message(error));
}

}  // namespace

Result<FolderLock> FolderLock::take(const std::filesystem::path& folder, const std::string& place) {
  const std::filesystem::path file = folder / kName;
  for (;;) {
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return refused(place, errno);
    FolderLock lock(file, -1);  // closes nothing yet: the file is not ours to remove
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      const std::string who = holder(fd);
      ::close(fd);
      return fail(ErrorCode::kIo, place + ": another run" + who + " works here, expected to be the only one");
    }
    if (!is_at(file, fd)) {
      ::close(fd);
      continue;
    }
    lock.fd_ = fd;
    const std::string own = std::to_string(::getpid());
    if (::ftruncate(fd, 0) == 0)
      static_cast<void>(::pwrite(fd, own.data(), own.size(), 0) > 0);  // a full disk: no harm
    return lock;
  }
}

Result<FolderLock> FolderLock::take_new(const std::filesystem::path& folder, const std::string& place) {
  for (;;) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail(ErrorCode::kIo, folder.string() + ": cannot be made: " + error.message());
    auto lock = take(folder, place);
    if (lock) lock->removes_folder_ = true;
    // Another run may have ended and removed the folder between the two.
    if (lock || std::filesystem::exists(folder, error)) return lock;
  }
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : file_(std::move(other.file_)), fd_(std::exchange(other.fd_, -1)), removes_folder_(other.removes_folder_) {}

FolderLock::~FolderLock() {
  if (fd_ < 0) return;
  if (is_at(file_, fd_)) {
    ::unlink(file_.c_str());
    if (removes_folder_) ::rmdir(file_.parent_path().c_str());  // only where it is empty
  }
  ::close(fd_);
}

}  // namespace lieq::io
