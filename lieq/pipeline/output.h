#pragma once
/// Where a quantised model goes: what may be replaced, the unfinished run beside it, and its name at the end (internal
/// to pipeline/).

#include <cstdint>
#include <filesystem>

#include "lieq/base/result.h"
#include "lieq/io/folder_lock.h"
#include "lieq/pipeline/quantize.h"

namespace lieq::pipeline {

/// What is replaced must not be, or hold, what is read. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_replaced(const std::filesystem::path& replaced, const QuantizeOptions& options);

/// Whether the output has a name that fits, may be written, and is there only to be replaced; makes the folders above
/// it. Errors: kInvalidArgument, kIo.
[[nodiscard]] Result<void> check_output(const QuantizeOptions& options);

/// Of all files below a folder; 0 where it is none.
[[nodiscard]] std::uint64_t bytes_in(const std::filesystem::path& folder);

/// Keeps other runs away from the unfinished one. Errors: FolderLock's.
[[nodiscard]] Result<io::FolderLock> lock_of(const QuantizeOptions& options);

/// Gives the finished model its name. Errors: kIo.
[[nodiscard]] Result<void> publish(const std::filesystem::path& made, const QuantizeOptions& options);

}  // namespace lieq::pipeline
