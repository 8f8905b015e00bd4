#include "lieq/hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"

namespace lieq::hub {
namespace {

namespace fs = std::filesystem;

Unexpected refused(const fs::path& path, const std::error_code& error) {
  return fail(ErrorCode::kIo, fmt::format("{}: cannot be written: {}", path.string(), error.message()));
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return refused(folder, error);
  return {};
}

/// True if `fd` is still the file of that name: who held the lock before may have removed it.
bool is_current(int fd, const fs::path& path) {
  struct stat open {
  }, named{};
  return ::fstat(fd, &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

RepoCache::RepoCache(const fs::path& cache, const Repository& repository)
    : folder_(fs::absolute(cache) / cache_name(repository)),
      locks_(fs::absolute(cache) / ".locks" / cache_name(repository)) {}

bool RepoCache::has(const std::string& commit, const std::string& file) const {
  std::error_code ignored;
  return fs::is_regular_file(pointer(commit, file), ignored);
}

std::optional<Listing> RepoCache::cached(const std::string& revision) const {
  Listing listing;
  listing.commit = revision;
  if (!is_commit(revision)) {
    const auto commit = io::read_file(folder_ / "refs" / revision);
    if (!commit) return std::nullopt;
    listing.commit = commit->substr(0, commit->find_first_of(" \r\n"));
    if (!is_commit(listing.commit)) return std::nullopt;
  }
  const fs::path root = snapshot(listing.commit);
  std::error_code error;
  for (fs::recursive_directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code dangling;
    if (entry->is_regular_file(dangling))
      listing.files.push_back(entry->path().lexically_relative(root).generic_string());
  }
  if (listing.files.empty()) return std::nullopt;
  std::ranges::sort(listing.files);
  return listing;
}

Result<void> RepoCache::prepare() const {
  LIEQ_TRY(make_folder(folder_ / "blobs"));
  return make_folder(locks_);
}

Result<Descriptor> RepoCache::lock(const std::string& etag, Sink& sink) const {
  const fs::path path = locks_ / (etag + ".lock");
  for (bool told = false;;) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664));
    if (file.get() < 0) return refused(path, std::error_code(errno, std::generic_category()));
    int status = ::flock(file.get(), LOCK_EX | LOCK_NB);
    if (status != 0 && errno == EWOULDBLOCK) {
      if (!std::exchange(told, true))
        sink.warn(fmt::format("{}: another process downloads this file, waiting for it", path.string()));
      do status = ::flock(file.get(), LOCK_EX);
      while (status != 0 && errno == EINTR);
    }
    if (status != 0 || is_current(file.get(), path)) return file;
  }
}

Result<void> RepoCache::link(const std::string& etag, const std::string& commit, const std::string& file) const {
  const fs::path target = pointer(commit, file);
  LIEQ_TRY(make_folder(target.parent_path()));
  const fs::path temporary = target.string() + fmt::format(".tmp-{}", ::getpid());
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_symlink(blob(etag).lexically_relative(target.parent_path()), temporary, error);
  if (error == std::errc::operation_not_permitted || error == std::errc::operation_not_supported ||
      error == std::errc::function_not_supported) {
    error.clear();
    fs::rename(blob(etag), temporary,
               error);  // a file system without symbolic links: huggingface_hub moves the file too
  }
  if (!error) fs::rename(temporary, target, error);
  if (error) return refused(target, error);
  return {};
}

Result<void> RepoCache::write_ref(const std::string& revision, const std::string& commit) const {
  if (revision == commit) return {};
  const fs::path path = folder_ / "refs" / revision;
  if (const auto known = io::read_file(path); known && *known == commit) return {};
  LIEQ_TRY(make_folder(path.parent_path()));
  return io::write_file(path, commit);
}

void RepoCache::mark_missing(const std::string& commit, const std::string& file) const {
  const fs::path path = folder_ / ".no_exist" / commit / file;
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  std::ofstream(path, std::ios::app);
}

}  // namespace lieq::hub
