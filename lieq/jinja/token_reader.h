#pragma once
/// The tokens of a template one after the other, and errors that name the line of the next one.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/jinja/lexer.h"

namespace lieq::jinja {

class TokenReader {
 public:
  explicit TokenReader(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const;
  Token take();
  [[nodiscard]] bool sees(TokenKind kind, std::string_view text = {}) const;
  [[nodiscard]] bool sees_name(std::string_view text) const { return sees(TokenKind::kName, text); }
  [[nodiscard]] bool sees_operator(std::string_view text) const { return sees(TokenKind::kOperator, text); }
  bool take_name(std::string_view text);
  bool take_operator(std::string_view text);
  Result<void> expect_operator(std::string_view text);
  Result<void> expect_name(std::string_view text);
  Result<std::string> any_name(std::string_view what);
  [[nodiscard]] Unexpected expected(std::string_view what) const;
  [[nodiscard]] Unexpected wrong(const std::string& what) const;

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace lieq::jinja
