#pragma once
/// Output files appear whole or not at all.

#include <filesystem>
#include <string>
#include <string_view>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::io {

/// Writes `contents` beside `path` under a temporary name, syncs it, and renames it over `path`.
/// On failure `path` is as before and the temporary file is gone. A symbolic link is replaced, not followed.
/// Errors: kIo naming the path and the reason.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view contents);

/// write_file() of a JSON document: indented, with a line end.
[[nodiscard]] Result<void> write_json(const std::filesystem::path& path, const Json& value);

/// The whole file (or pipe) as bytes. Errors: kNotFound, kIo.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path);

/// Makes the folders above `path` that are missing and tries whether a file of that name can be written there, so that
/// hours of work do not end in a refusal. Nothing is left but the folders. Errors: kIo, as write_file() would give
/// them.
[[nodiscard]] Result<void> prepare_output(const std::filesystem::path& path);

/// The same promise for a file too large to be held in memory: create, append..., commit.
/// Without a commit `path` stays as it was and the temporary file is removed.
class AtomicFile {
 public:
  /// Also removes what killed processes have left of the same path. Errors: kIo (no such folder, no permission, `path`
  /// is a folder or a device).
  [[nodiscard]] static Result<AtomicFile> create(const std::filesystem::path& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  /// Errors: kIo (the disk is full, ...).
  [[nodiscard]] Result<void> append(std::string_view bytes);
  /// Syncs and renames; the last call.
  [[nodiscard]] Result<void> commit() &&;

 private:
  AtomicFile(std::filesystem::path path, std::string temporary, int fd);
  std::filesystem::path path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace lieq::io
