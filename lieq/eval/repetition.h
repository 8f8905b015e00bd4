#pragma once
/// How much a text says again what it said.

#include <span>

#include "lieq/model/forward.h"

namespace lieq::eval {

/// Share of the 4-grams of `ids` that stood in it before; 0 for fewer than five ids. O(n log n).
[[nodiscard]] double repeated_share(std::span<const model::TokenId> ids);

}  // namespace lieq::eval
