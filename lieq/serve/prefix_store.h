#pragma once
/// Keys and values of texts that have ended, for later ones that begin alike.

#include <cstddef>
#include <list>
#include <span>
#include <vector>

#include "lieq/model/kv_cache.h"
#include "lieq/serve/work.h"

namespace lieq::serve {

/// Tokens that two texts have in common from their start.
[[nodiscard]] std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b);

/// The least recently used goes first. It holds pages only as long as nobody asks for them (drop_oldest).
class PrefixStore {
 public:
  struct Entry {
    std::vector<TokenId> ids;
    model::KvCache cache;
  };

  /// ids: those `cache` holds. Texts that this one continues are forgotten: it serves as well.
  void add(std::vector<TokenId> ids, model::KvCache cache);
  /// The entry with the longest common prefix, which counts as used now; null when none has `least` tokens of it.
  [[nodiscard]] const Entry* find(std::span<const TokenId> ids, std::size_t least);
  /// False: there was none.
  bool drop_oldest();
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  std::list<Entry> entries_;  // the most recently used first
};

}  // namespace lieq::serve
