#pragma once
/// Where what can be made again is kept.

#include <filesystem>

namespace lieq::cli {

/// $XDG_CACHE_HOME/lieq, else ~/.cache/lieq; empty when neither variable is set.
[[nodiscard]] std::filesystem::path cache_folder();

}  // namespace lieq::cli
