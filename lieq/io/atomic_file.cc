#include "lieq/io/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "lieq/io/leftovers.h"
#include "lieq/io/mapped_file.h"

namespace lieq::io {
namespace {

Unexpected refused(const std::string& path, const char* what, int error, ErrorCode code = ErrorCode::kIo) {
  return fail(code, path + ": " + what + ": " + std::generic_category().message(error));
}

/// A name beside `path` that no other writer of this or another process uses.
std::string unique_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  return temporary_name(path) + "-" + std::to_string(counter.fetch_add(1));
}

/// Makes a rename in `folder` last through a power cut. Some file systems refuse to sync folders: no harm.
void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path, std::string temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::move(other.temporary_)), fd_(std::exchange(other.fd_, -1)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  const std::string name = path.string();
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return fail(ErrorCode::kIo, name + ": cannot be written: found " +
                                    (S_ISDIR(status.st_mode) ? "a folder" : "a device or pipe") +
                                    ", expected a file or nothing");
  remove_leftovers(path);
  std::string temporary = unique_name(path);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return refused(name, "cannot be written", errno);
  static_cast<void>(::flock(fd, LOCK_EX | LOCK_NB));  // says that it is no leftover; not all file systems can
  return AtomicFile(path, std::move(temporary), fd);
}

Result<void> AtomicFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EFAULT)  // the bytes lie in a mapped file that ends before them now
      if (const char* source = mapped_file_at(bytes.data()))
        return fail(ErrorCode::kIo, std::string(source) + ": was cut short while it was copied");
    if (written < 0) return refused(path_.string(), "cannot be written", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> AtomicFile::commit() && {
  if (::fsync(fd_) != 0) return refused(path_.string(), "cannot be written", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return refused(path_.string(), "cannot be replaced", errno);
  ::close(std::exchange(fd_, -1));
  sync_folder(path_.parent_path());
  return {};
}

Result<void> prepare_output(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return refused(folder.string(), "cannot be made", error.value());
  LIEQ_ASSIGN(const AtomicFile trial, AtomicFile::create(path));
  return {};
}

Result<void> write_file(const std::filesystem::path& path, std::string_view contents) {
  LIEQ_ASSIGN(AtomicFile file, AtomicFile::create(path));
  LIEQ_TRY(file.append(contents));
  return std::move(file).commit();
}

Result<void> write_json(const std::filesystem::path& path, const Json& value) {
  return write_file(path, indented(value) + "\n");
}

Result<std::string> read_file(const std::filesystem::path& path) {
  const std::string name = path.string();
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return refused(name, "cannot be opened", errno,
                   errno == ENOENT || errno == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo);
  std::string contents;
  std::size_t size = 0;
  while (true) {
    constexpr std::size_t kStep = 1 << 16;
    if (contents.size() < size + kStep) contents.resize(2 * size + kStep);
    const ssize_t got = ::read(fd, contents.data() + size, contents.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    const int error = got < 0 ? errno : 0;
    ::close(fd);
    if (error != 0) return refused(name, "cannot be read", error);
    contents.resize(size);
    return contents;
  }
}

}  // namespace lieq::io
