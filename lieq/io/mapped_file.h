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
  /// The path as given to open(), for error messages.
  [[nodiscard]] const std::string& name() const;

 private:
  struct Mapping;
  explicit MappedFile(std::shared_ptr<const Mapping> mapping);
  std::shared_ptr<const Mapping> mapping_;
};

/// The same for part of a mapping; pages that are not wholly in it stay.
void release_pages(std::span<const std::byte> bytes);

}  // namespace lieq::io
