#pragma once
/// Read-only memory mappings.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "lieq/base/result.h"

namespace lieq::io {

/// A whole file mapped read-only. Copies share the mapping, which lives as long as the last copy.
class MappedFile {
 public:
  /// Errors: kNotFound, kIo (a folder, no permission), kInvalidFormat (an empty file, a Git LFS pointer).
  [[nodiscard]] static Result<MappedFile> open(const std::filesystem::path& path);

  [[nodiscard]] std::span<const std::byte> bytes() const;
  /// Gives the pages that were read back to the system; reading them again maps them again. For files whose contents
  /// were copied elsewhere.
  void release_pages() const;
  /// Whether the file at this path is still the one that was opened, as far as its size and time of change tell. One
  /// of the same name put in its place, or none, does no harm: the mapping is of the old one. Errors: kIo.
  [[nodiscard]] Result<void> unchanged() const;
  /// The path as given to open(), for error messages.
  [[nodiscard]] const std::string& name() const;

 private:
  struct Mapping;
  explicit MappedFile(std::shared_ptr<const Mapping> mapping);
  std::shared_ptr<const Mapping> mapping_;
};

/// The same for part of a mapping; pages that are not wholly in it stay.
void release_pages(std::span<const std::byte> bytes);

/// The file that is mapped where `address` lies, nullptr: none. For handlers of SIGBUS, which the system sends to who
/// reads behind the end of a file that was cut short: it takes no lock and no memory.
[[nodiscard]] const char* mapped_file_at(const void* address);

}  // namespace lieq::io
