#pragma once
/// What happens to text before it is cut into pieces.

#include <string>
#include <string_view>
#include <vector>

namespace lieq::text {

struct NormalizerStep {
  enum class Kind { kNfc, kPrepend, kReplace } kind = Kind::kNfc;
  std::string from;  ///< kReplace: what is replaced, not empty
  std::string to;    ///< kReplace: by what; kPrepend: what comes in front of text that is not empty
};

struct Normalizer {
  std::vector<NormalizerStep> steps;
  [[nodiscard]] bool empty() const { return steps.empty(); }
  [[nodiscard]] std::string apply(std::string_view text) const;
};

/// `text` with every `from` (not empty) replaced, from the left, without overlap.
[[nodiscard]] std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace lieq::text
