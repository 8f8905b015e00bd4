#include "lieq/serve/prefix_store.h"

#include <algorithm>
#include <utility>

namespace lieq::serve {

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

void PrefixStore::add(std::vector<TokenId> ids, model::KvCache cache) {
  constexpr std::size_t kMostEntries = 256;  // find() looks at each
  entries_.remove_if([&](const Entry& entry) { return common_prefix(entry.ids, ids) == entry.ids.size(); });
  entries_.push_front({std::move(ids), std::move(cache)});
  if (entries_.size() > kMostEntries) entries_.pop_back();
}

const PrefixStore::Entry* PrefixStore::find(std::span<const TokenId> ids, std::size_t least) {
  auto best = entries_.end();
  std::size_t longest = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const std::size_t common = common_prefix(entry->ids, ids);
    if (common < least || common <= longest) continue;
    best = entry;
    longest = common;
  }
  if (best == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, best);
  return &entries_.front();
}

bool PrefixStore::drop_oldest() {
  if (entries_.empty()) return false;
  entries_.pop_back();
  return true;
}

}  // namespace lieq::serve
