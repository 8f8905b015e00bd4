#pragma once
/// Checksums, by OpenSSL's libcrypto.

#include <filesystem>
#include <string>
#include <string_view>

#include "lieq/base/result.h"

namespace lieq::hub {

/// What an etag of the hub says about the bytes.
enum class Checksum {
  kSha256,   ///< 64 hexadecimal digits: the SHA-256 of a file in large-file storage
  kGitBlob,  ///< 40: git's id of a small file, SHA-1 of "blob SIZE\0" and the contents
  kNone,     ///< anything else says nothing
};
[[nodiscard]] Checksum checksum_of(std::string_view etag);

/// The checksum of a file as lower-case hexadecimal digits; `kind` is not kNone. Reads the file once, in 1 MiB steps.
/// Errors: kNotFound, kIo.
[[nodiscard]] Result<std::string> digest(const std::filesystem::path& file, Checksum kind);

/// The SHA-256 of these bytes, likewise.
[[nodiscard]] std::string sha256(std::string_view bytes);

}  // namespace lieq::hub
