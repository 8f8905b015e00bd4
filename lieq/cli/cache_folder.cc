#include "lieq/cli/cache_folder.h"

#include <cstdlib>

namespace lieq::cli {

std::filesystem::path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return std::filesystem::path(cache) / "lieq";
  if (const char* home = std::getenv("HOME"); home && *home) return std::filesystem::path(home) / ".cache/lieq";
  return {};
}

}  // namespace lieq::cli
