#include "lieq/serve/stop_strings.h"

#include <algorithm>
#include <utility>

namespace lieq::serve {

std::string StopStrings::add(std::string_view text) {
  if (stopped()) return {};
  held_ += text;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);
    if (at < first) first = at, found_ = stop;
  }
  if (stopped()) {
    held_.resize(first);
    return std::exchange(held_, {});
  }
  std::size_t keep = 0;
  for (const std::string& stop : stops_)
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
      if (held_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
  std::string settled = held_.substr(0, held_.size() - keep);
  held_.erase(0, settled.size());
  return settled;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace lieq::serve
