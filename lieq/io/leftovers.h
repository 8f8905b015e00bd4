#pragma once
/// Temporary names of outputs, and what killed processes have left under them.

#include <filesystem>
#include <string>

namespace lieq::io {

/// `target` with a suffix that says which process writes it.
[[nodiscard]] std::string temporary_name(const std::filesystem::path& target);

/// Removes files and folders under temporary names of `target` whose process is gone. A file that somebody holds a lock
/// on (flock) stays: its process may run on another machine or in another container.
void remove_leftovers(const std::filesystem::path& target);

}  // namespace lieq::io
