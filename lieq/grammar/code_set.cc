#include "lieq/grammar/code_set.h"

#include <algorithm>
#include <string>

#include "lieq/base/utf8.h"

namespace lieq::grammar {
namespace {

constexpr char32_t kLast = 0x10FFFF, kSurrogates = 0xD800, kAfterSurrogates = 0xE000;

/// Cuts a range until its encodings are a product of byte ranges: all have one length, and the bytes after one that
/// differs take all values.
void add_encodings(char32_t first, char32_t last, std::vector<std::vector<ByteRange>>& out) {
  if (first > last) return;
  if (first < kAfterSurrogates && last >= kSurrogates) {
    if (first < kSurrogates) add_encodings(first, kSurrogates - 1, out);
    if (last >= kAfterSurrogates) add_encodings(kAfterSurrogates, last, out);
    return;
  }
  for (const char32_t end : {U'\x7F', U'\x7FF', U'\xFFFF'}) {
    if (first <= end && last > end) {
      add_encodings(first, end, out);
      return add_encodings(end + 1, last, out);
    }
  }
  for (unsigned bits = 6; bits <= 18 && last > 0x7F; bits += 6) {
    const char32_t low = (char32_t{1} << bits) - 1;
    if ((first & ~low) == (last & ~low)) break;
    if ((first & low) != 0) {
      add_encodings(first, first | low, out);
      return add_encodings((first | low) + 1, last, out);
    }
    if ((last & low) != low) {
      add_encodings(first, (last & ~low) - 1, out);
      return add_encodings(last & ~low, last, out);
    }
  }
  std::string from, to;
  append_utf8(from, first);
  append_utf8(to, last);
  std::vector<ByteRange> bytes;
  for (std::size_t i = 0; i < from.size(); ++i) {
    bytes.push_back({static_cast<std::uint8_t>(from[i]), static_cast<std::uint8_t>(to[i])});
  }
  out.push_back(std::move(bytes));
}

}  // namespace

CodeSet normalized(CodeSet set) {
  std::sort(set.begin(), set.end(), [](const CodeRange& a, const CodeRange& b) { return a.first < b.first; });
  CodeSet merged;
  for (const CodeRange& range : set) {
    if (range.first > range.last) continue;
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

CodeSet complement(const CodeSet& set) {
  CodeSet rest;
  char32_t next = 0;
  for (const CodeRange& range : normalized(set)) {
    if (range.first > next) rest.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLast) rest.push_back({next, kLast});
  return rest;
}

CodeSet difference(const CodeSet& set, const CodeSet& without) {
  CodeSet outside = complement(set);
  outside.insert(outside.end(), without.begin(), without.end());
  return complement(outside);
}

std::vector<std::vector<ByteRange>> utf8_ranges(const CodeSet& set) {
  std::vector<std::vector<ByteRange>> out;
  for (const CodeRange& range : normalized(set)) add_encodings(range.first, std::min(range.last, kLast), out);
  return out;
}

}  // namespace lieq::grammar
