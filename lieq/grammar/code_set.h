#pragma once
/// Private to grammar/: sets of code points, and the bytes that UTF-8 makes of them.

#include <array>
#include <cstdint>
#include <vector>

namespace lieq::grammar {

struct CodeRange {
  char32_t first = 0, last = 0;  ///< both included
  friend bool operator==(const CodeRange&, const CodeRange&) = default;
};

/// Ascending and disjoint once it went through normalized().
using CodeSet = std::vector<CodeRange>;

[[nodiscard]] CodeSet normalized(CodeSet set);
/// All other code points; surrogates are in neither.
[[nodiscard]] CodeSet complement(const CodeSet& set);
/// Those of `set` that are not in `without`.
[[nodiscard]] CodeSet difference(const CodeSet& set, const CodeSet& without);

struct ByteRange {
  std::uint8_t first = 0, last = 0;
  friend auto operator<=>(const ByteRange&, const ByteRange&) = default;
};

/// The UTF-8 encodings of `set`, each a product of byte ranges. Surrogates are left out.
[[nodiscard]] std::vector<std::vector<ByteRange>> utf8_ranges(const CodeSet& set);

}  // namespace lieq::grammar
