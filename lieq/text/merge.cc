/// The merge table and the two ways to merge: scanning short pieces, buckets of ranks for long ones.

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <map>
#include <queue>

#include "lieq/base/check.h"
#include "lieq/text/bpe.h"

namespace lieq::text {
namespace {

constexpr std::size_t kScanLimit = 48;  // up to here scanning all pairs for each merge is the faster way

std::uint64_t key(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

/// For at most kScanLimit symbols: the ranks of all pairs in a row, the lowest found by looking at each.
void merge_by_scan(const MergeTable& merges, std::vector<TokenId>& symbols) {
  std::array<Merge, kScanLimit> pairs;  // pairs[i]: symbols i and i + 1
  std::size_t n = symbols.size();
  for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = merges.find(symbols[i], symbols[i + 1]);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i) best = pairs[i].rank < pairs[best].rank ? i : best;
    if (pairs[best].rank == kNoRank) break;
    symbols[best] = pairs[best].product;
    for (std::size_t i = best + 1; i + 1 < n; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i - 1] = pairs[i];
    }
    --n;
    if (best > 0) pairs[best - 1] = merges.find(symbols[best - 1], symbols[best]);
    if (best + 1 < n) pairs[best] = merges.find(symbols[best], symbols[best + 1]);
  }
  symbols.resize(n);
}

/// Places of pairs of one rank. They nearly always come in order; those that do not wait in a heap.
class Bucket {
 public:
  void push(std::uint32_t place) {
    if (sorted_.empty() || place > sorted_.back()) {
      sorted_.push_back(place);
    } else {
      late_.push(place);
    }
  }
  [[nodiscard]] bool empty() const { return next_ == sorted_.size() && late_.empty(); }
  std::uint32_t pop() {
    if (next_ < sorted_.size() && (late_.empty() || sorted_[next_] < late_.top())) return sorted_[next_++];
    const std::uint32_t place = late_.top();
    late_.pop();
    return place;
  }

 private:
  std::vector<std::uint32_t> sorted_;
  std::size_t next_ = 0;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> late_;
};

/// For any number of symbols: a list linked by places, and a queue of ranks with the places of each.
/// A place in a bucket may be stale; it counts only if its pair still has the bucket's rank.
class BucketMerge {
 public:
  BucketMerge(const MergeTable& merges, std::vector<TokenId>& symbols)
      : merges_(merges), symbols_(symbols), links_(symbols.size()) {
    for (std::uint32_t i = 0; i < links_.size(); ++i) links_[i] = {i == 0 ? kNone : i - 1, i + 1};
    links_.back().next = kNone;
    for (std::uint32_t i = 0; i + 1 < links_.size(); ++i) offer(i);
  }

  void run() {
    while (!buckets_.empty()) {
      const auto lowest = buckets_.begin();
      if (lowest->second.empty()) {
        buckets_.erase(lowest);
        continue;
      }
      const std::uint32_t place = lowest->second.pop();
      if (symbols_[place] == kNoToken || links_[place].next == kNone) continue;
      const Merge merge = merges_.find(symbols_[place], symbols_[links_[place].next]);
      if (merge.rank == lowest->first) apply(place, merge.product);
    }
    std::erase(symbols_, kNoToken);
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  struct Links {
    std::uint32_t previous, next;
  };

  void offer(std::uint32_t place) {
    const Merge merge = merges_.find(symbols_[place], symbols_[links_[place].next]);
    if (merge.rank != kNoRank) buckets_[merge.rank].push(place);
  }

  void apply(std::uint32_t place, TokenId product) {
    const std::uint32_t gone = links_[place].next;
    symbols_[place] = product;
    symbols_[gone] = kNoToken;
    links_[place].next = links_[gone].next;
    if (links_[place].next != kNone) {
      links_[links_[place].next].previous = place;
      offer(place);
    }
    if (links_[place].previous != kNone) offer(links_[place].previous);
  }

  const MergeTable& merges_;
  std::vector<TokenId>& symbols_;
  std::vector<Links> links_;
  std::map<std::uint32_t, Bucket> buckets_;
};

}  // namespace

void MergeTable::reserve(std::size_t count) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(16, count + count / 2));
  LIEQ_CHECK(count_ == 0);
  slots_.assign(size, Slot{});
  shift_ = 64U - static_cast<unsigned>(std::countr_zero(size));
}

std::size_t MergeTable::home(std::uint64_t pair) const {
  return static_cast<std::size_t>((pair * 0x9E3779B97F4A7C15ULL) >> shift_);
}

bool MergeTable::insert(TokenId left, TokenId right, Merge merge) {
  LIEQ_CHECK(count_ + 1 < slots_.size());
  const std::uint64_t pair = key(left, right);
  std::size_t at = home(pair);
  for (; slots_[at].pair != kEmpty; at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].pair == pair) return false;
  slots_[at] = {pair, merge};
  ++count_;
  return true;
}

Merge MergeTable::find(TokenId left, TokenId right) const {
  if (count_ == 0) return {};
  const std::uint64_t pair = key(left, right);
  for (std::size_t at = home(pair); slots_[at].pair != kEmpty; at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].pair == pair) return slots_[at].merge;
  return {};
}

void merge_symbols(const MergeTable& merges, std::vector<TokenId>& symbols, std::vector<TokenId>& ids) {
  if (symbols.size() > kScanLimit) {
    LIEQ_CHECK(symbols.size() < 0xFFFFFFFF);  // places have 32 bits
    BucketMerge(merges, symbols).run();
  } else if (symbols.size() > 1) {
    merge_by_scan(merges, symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace lieq::text
