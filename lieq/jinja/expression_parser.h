#pragma once
/// Expressions from tokens. Each level of precedence is one function, the weakest first. expression_parser.cc holds what
/// joins operands, operand_parser.cc the operands, postfix_parser.cc what follows one.

#include <cstddef>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/jinja/ast.h"
#include "lieq/jinja/token_reader.h"

namespace lieq::jinja {

class ExpressionParser : protected TokenReader {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : TokenReader(std::move(tokens)) {}

 protected:
  using Parsed = Result<ExpressionPtr>;
  using Level = Parsed (ExpressionParser::*)();

  Parsed expression();
  /// One expression, or several with commas between them as a tuple; `conditional`: `a if b else c` may be among them.
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
};

}  // namespace lieq::jinja
