#include "lieq/hub/blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/hub/digest.h"

namespace lieq::hub {
namespace {

namespace fs = std::filesystem;

Unexpected refused(const fs::path& path, int error) {
  return fail(ErrorCode::kIo,
              fmt::format("{}: cannot be written: {}", path.string(), std::generic_category().message(error)));
}

/// First byte of "bytes 100-199/200".
std::optional<std::uint64_t> range_begin(std::string_view header) {
  if (!header.starts_with("bytes ")) return std::nullopt;
  header.remove_prefix(6);
  std::uint64_t begin = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), begin);
  if (error != std::errc() || end == header.data() + header.size() || *end != '-') return std::nullopt;
  return begin;
}

/// ETAG.incomplete, open for appending.
class Incomplete {
 public:
  [[nodiscard]] static Result<Incomplete> open(fs::path path, bool keep) {
    Incomplete file;
    file.path_ = std::move(path);
    file.fd_ = Descriptor(
        ::open(file.path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (keep ? 0 : O_TRUNC), 0666));
    const off_t end = file.fd_.get() < 0 ? -1 : ::lseek(file.fd_.get(), 0, SEEK_END);
    if (end < 0) return refused(file.path_, errno);
    file.size_ = static_cast<std::uint64_t>(end);
    return file;
  }

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const fs::path& path() const { return path_; }

  [[nodiscard]] Result<void> clear() {
    if (::ftruncate(fd_.get(), 0) != 0 || ::lseek(fd_.get(), 0, SEEK_SET) != 0) return refused(path_, errno);
    size_ = 0;
    return {};
  }

  [[nodiscard]] Result<void> append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return refused(path_, errno);
      bytes.remove_prefix(static_cast<std::size_t>(written));
      size_ += static_cast<std::uint64_t>(written);
    }
    return {};
  }

  [[nodiscard]] Result<void> rename_to(const fs::path& target) {
    if (::fsync(fd_.get()) != 0 || ::rename(path_.c_str(), target.c_str()) != 0) return refused(target, errno);
    return {};
  }

 private:
  fs::path path_;
  Descriptor fd_;
  std::uint64_t size_ = 0;
};

/// A blob on its way.
struct Transfer {
  Client& client;
  const Repository& repository;
  const std::string& commit;
  const RemoteFile& file;
  const Progress& progress;

  [[nodiscard]] std::string place() const { return repository.id + "/" + printable(file.name); }

  /// Writes an answer to `part`, from where it says it begins.
  [[nodiscard]] Receiver receiver(Incomplete& part) const {
    const auto begin = [this, &part](const Answer& answer) -> Result<void> {
      if (answer.status == 200) return part.size() == 0 ? Result<void>() : part.clear();  // the server ignores ranges
      const std::string range = answer.header("content-range");
      if (range_begin(range) == part.size()) return {};
      return fail(ErrorCode::kInvalidFormat, fmt::format("{}: Content-Range: found {}, expected it to begin at {}",
                                                         place(), in_quotes(range), part.size()));
    };
    const auto take = [this, &part](std::string_view bytes) -> Result<void> {
      LIEQ_TRY(check_cancelled(client.sink()));
      if (part.size() + bytes.size() > file.size)
        return fail(ErrorCode::kInvalidFormat,
                    fmt::format("{}: the server sent more than the {} bytes it announced", place(), file.size));
      LIEQ_TRY(part.append(bytes));
      progress(part.size());
      return {};
    };
    return {begin, take};
  }

  /// All bytes, over as many tries as bring some.
  [[nodiscard]] Result<void> complete(Incomplete& part) {
    Patience patience(client.sink(), place(), 5);
    bool asked = false;
    while (part.size() < file.size || (file.size == 0 && !asked)) {
      asked = true;
      const std::uint64_t before = part.size();
      const Receiver into = receiver(part);
      Answer answer = client.download(repository, commit, file.name, before, into);
      if (answer.refused) return Unexpected(*answer.refused);
      if (answer.status == 416 && before > 0) {
        LIEQ_TRY(part.clear());
        continue;
      }
      if (answer.good() && part.size() < file.size)
        answer.failure = fmt::format("the transfer ended after {} of {} bytes", part.size(), file.size);
      if (answer.good()) continue;
      if (!patience.once_more(answer, part.size() > before)) return client.explain(answer, repository, file.name);
    }
    return {};
  }

  /// True if the bytes are those the etag names, or if it names none.
  [[nodiscard]] Result<bool> is_right(const Incomplete& part) const {
    const Checksum kind = checksum_of(file.etag);
    if (kind == Checksum::kNone) return true;
    LIEQ_ASSIGN(const std::string found, digest(part.path(), kind));
    return found == file.etag;
  }
};

}  // namespace

std::uint64_t present_bytes(const RepoCache& cache, const RemoteFile& file) {
  std::error_code error;
  if (fs::exists(cache.blob(file.etag), error)) return file.size;
  const std::uintmax_t part = fs::file_size(cache.incomplete(file.etag), error);
  return error || part > file.size || checksum_of(file.etag) == Checksum::kNone ? 0 : part;
}

Result<void> fetch_blob(Client& client, const RepoCache& cache, const Repository& repository, const std::string& commit,
                        const RemoteFile& file, bool force, const Progress& progress) {
  LIEQ_TRY(cache.prepare());
  LIEQ_ASSIGN(const Descriptor lock, cache.lock(file.etag, client.sink()));
  std::error_code ignored;
  if (!force && fs::exists(cache.blob(file.etag), ignored)) return {};  // another process was first
  Transfer transfer{client, repository, commit, file, progress};
  // Without a checksum, old bytes could belong to anything.
  LIEQ_ASSIGN(Incomplete part,
              Incomplete::open(cache.incomplete(file.etag), !force && checksum_of(file.etag) != Checksum::kNone));
  if (part.size() > file.size) LIEQ_TRY(part.clear());
  bool resumed = part.size() > 0;
  while (true) {
    LIEQ_TRY(transfer.complete(part));
    LIEQ_ASSIGN(const bool right, transfer.is_right(part));
    if (right) return part.rename_to(cache.blob(file.etag));
    LIEQ_TRY(part.clear());
    if (!std::exchange(resumed, false)) break;
    client.sink().warn(transfer.place() + ": what an earlier try left does not fit, starting again");
  }
  fs::remove(part.path(), ignored);
  return fail(
      ErrorCode::kInvalidFormat,
      fmt::format("{}: wrong checksum, expected {}: the bytes were removed (a proxy or mirror may have changed them)",
                  transfer.place(), file.etag));
}

}  // namespace lieq::hub
