#pragma once
/// Tokens to a tree: Jinja's grammar as far as chat templates go, which load no other templates.

#include <string_view>

#include "lieq/base/result.h"
#include "lieq/jinja/ast.h"

namespace lieq::jinja {

/// Errors: kInvalidFormat "line N: found X, expected Y"; nesting beyond kMaxNesting.
[[nodiscard]] Result<Block> parse(std::string_view source);

/// Of brackets, blocks, and operators in a row.
inline constexpr std::size_t kMaxNesting = 150;

}  // namespace lieq::jinja
