#pragma once
/// Expressions from tokens. Each level of precedence is one function, the weakest first.

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/text/jinja/ast.h"
#include "lieq/text/jinja/lexer.h"

namespace lieq::text::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  using Parsed = Result<ExpressionPtr>;
  using Level = Parsed (ExpressionParser::*)();

  // Tokens.
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

  // Expressions.
  Parsed expression();
  /// One expression, or several with commas between them as a tuple. `ends` names what may follow.
  Parsed tuple(bool conditional = true);
  /// What `for` and `set` assign to; `attributes`: also ns.name.
  Parsed target(bool attributes);
  /// The filters after `operand`, which may be null.
  Parsed filters(ExpressionPtr operand, bool first_has_pipe);
  Result<CallArguments> call_arguments();
  Parsed unary_operand() { return unary(true); }

  /// Names read inside the macros being parsed, the innermost last.
  std::vector<std::set<std::string>> names_;
  std::size_t nesting_ = 0;

 private:
  using Kind = Expression::Kind;
  Parsed condition();
  Parsed or_level();
  Parsed and_level();
  Parsed not_level();
  Parsed comparison();
  Parsed sum();
  Parsed concatenation();
  Parsed product();
  Parsed power();
  Parsed unary(bool with_filters);
  Parsed primary();
  Parsed name();
  Parsed number(const Token& token);
  Parsed strings();
  Parsed brackets();
  Parsed list();
  Parsed dict();
  Parsed postfix(ExpressionPtr operand);
  Parsed attribute(ExpressionPtr operand);
  Parsed subscript(ExpressionPtr operand);
  Parsed test(ExpressionPtr operand);
  Parsed left_associative(Level next, std::initializer_list<std::string_view> operators);
  [[nodiscard]] bool tuple_ends() const;
  [[nodiscard]] Parsed make(Expression expression) const;
  template <class... Parts>
  [[nodiscard]] Parsed make(Kind kind, std::string text, Parts... parts) const {
    Expression expression{.kind = kind, .line = peek().line, .name = std::move(text)};
    (expression.parts.push_back(std::move(parts)), ...);
    return make(std::move(expression));
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace lieq::text::jinja
