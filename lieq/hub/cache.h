#pragma once
/// The folder of one repository in the cache, laid out as huggingface_hub lays it out, so that both read what the other
/// wrote:
///
///   <cache>/models--ORG--NAME/refs/REVISION             the commit it stood for, as text
///                            /blobs/ETAG                contents
///                            /blobs/ETAG.incomplete     what has come so far
///                            /snapshots/COMMIT/PATH     relative symlink to ../../blobs/ETAG
///                            /.no_exist/COMMIT/PATH     empty: this commit has no such file
///   <cache>/.locks/models--ORG--NAME/ETAG.lock          held (flock) by who downloads that blob

#include <filesystem>
#include <optional>
#include <string>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/hub/client.h"
#include "lieq/hub/repository.h"

namespace lieq::hub {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// Names given to these functions have been proven harmless: see repository.h.
class RepoCache {
 public:
  RepoCache(const std::filesystem::path& cache, const Repository& repository);

  [[nodiscard]] std::filesystem::path snapshot(const std::string& commit) const {
    return folder_ / "snapshots" / commit;
  }
  [[nodiscard]] std::filesystem::path pointer(const std::string& commit, const std::string& file) const {
    return snapshot(commit) / file;
  }
  [[nodiscard]] std::filesystem::path blob(const std::string& etag) const { return folder_ / "blobs" / etag; }
  [[nodiscard]] std::filesystem::path incomplete(const std::string& etag) const {
    return folder_ / "blobs" / (etag + ".incomplete");
  }

  /// True if the file is there and not a dangling link.
  [[nodiscard]] bool has(const std::string& commit, const std::string& file) const;
  /// Commit and files of `revision` as far as they are in the cache; nothing if there is no such snapshot.
  [[nodiscard]] std::optional<Listing> cached(const std::string& revision) const;

  /// Makes folders for blobs and locks. Errors: kIo.
  [[nodiscard]] Result<void> prepare() const;
  /// Waits until nobody else downloads this blob. Dropping the descriptor, or the death of the process, frees the lock.
  /// On a file system without locks it is a no-op: the checksum still guards the blob.
  [[nodiscard]] Result<Descriptor> lock(const std::string& etag, Sink& sink) const;
  /// Makes snapshots/COMMIT/FILE stand for the blob. Errors: kIo.
  [[nodiscard]] Result<void> link(const std::string& etag, const std::string& commit, const std::string& file) const;
  /// Remembers what a branch or tag stands for; nothing for a commit. Errors: kIo.
  [[nodiscard]] Result<void> write_ref(const std::string& revision, const std::string& commit) const;
  /// Remembers that a commit has no such file. A marker that cannot be written costs a request later, nothing else.
  void mark_missing(const std::string& commit, const std::string& file) const;

 private:
  std::filesystem::path folder_, locks_;
};

}  // namespace lieq::hub
