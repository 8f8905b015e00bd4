#pragma once
/// A template as tokens: text, the borders of {{ }} and {% %}, and what stands between them.
///
/// White space is already dealt with as Jinja does under trim_blocks and lstrip_blocks: the line end after a block is
/// dropped, and so are the blanks before a block that begins its line; `-` and `+` at a border override both.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::jinja {

enum class TokenKind {
  kText,
  kPrintBegin,
  kPrintEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  ///< strings: with escapes resolved; numbers: without underscores
  std::size_t line = 1;
};

/// The last token is kEnd. Errors: kInvalidFormat "line N: ...".
[[nodiscard]] Result<std::vector<Token>> tokenize(std::string_view source);

/// How messages name a token.
[[nodiscard]] std::string describe(const Token& token);

}  // namespace lieq::jinja
