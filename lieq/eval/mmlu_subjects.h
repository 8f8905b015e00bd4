#pragma once
/// The 57 subjects of MMLU and the four groups they are averaged in.

#include <span>
#include <string_view>

namespace lieq::eval {

struct MmluSubject {
  std::string_view name;   ///< as in the data, e.g. "high_school_biology"
  std::string_view group;  ///< "humanities", "other", "social_sciences" or "stem"
};

/// By group, then by name.
[[nodiscard]] std::span<const MmluSubject> mmlu_subjects();

}  // namespace lieq::eval
