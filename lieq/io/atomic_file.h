#pragma once
/// Output files appear whole or not at all.

#include <filesystem>
#include <string_view>

#include "lieq/base/result.h"

namespace lieq::io {

/// Writes `contents` beside `path` under a temporary name, syncs it, and renames it over `path`.
/// On failure `path` is as before and the temporary file is gone. Errors: kIo naming the path and the reason.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view contents);

/// The whole file as bytes. Errors: kNotFound, kIo.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path);

}  // namespace lieq::io
