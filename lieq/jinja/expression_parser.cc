/// What joins operands: conditions, and, or, comparisons, arithmetic.

#include "lieq/jinja/expression_parser.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lieq/jinja/parser.h"

namespace lieq::jinja {

ExpressionParser::Parsed ExpressionParser::make(Expression expression) const {
  const auto add = [&](const ExpressionPtr& part) {
    if (part) expression.depth = std::max(expression.depth, part->depth + 1);
  };
  for (const ExpressionPtr& part : expression.parts) add(part);
  for (const ExpressionPtr& part : expression.arguments.positional) add(part);
  for (const auto& [key, part] : expression.arguments.named) add(part);
  add(expression.arguments.star);
  add(expression.arguments.star_star);
  if (expression.depth > kMaxNesting)
    return wrong(fmt::format("found an expression nested deeper than {}", kMaxNesting));
  return std::make_unique<const Expression>(std::move(expression));
}

ExpressionParser::Parsed ExpressionParser::expression() {
  if (++nesting_ > kMaxNesting) return wrong(fmt::format("found an expression nested deeper than {}", kMaxNesting));
  auto parsed = condition();
  --nesting_;
  return parsed;
}

ExpressionParser::Parsed ExpressionParser::condition() {
  LIEQ_ASSIGN(ExpressionPtr value, or_level());
  while (take_name("if")) {
    LIEQ_ASSIGN(ExpressionPtr test, or_level());
    ExpressionPtr otherwise;
    if (take_name("else")) {
      LIEQ_ASSIGN(otherwise, expression());
    }
    LIEQ_ASSIGN(value, make(Kind::kConditional, "", std::move(test), std::move(value), std::move(otherwise)));
  }
  return value;
}

ExpressionParser::Parsed ExpressionParser::or_level() {
  LIEQ_ASSIGN(ExpressionPtr left, and_level());
  while (take_name("or")) {
    LIEQ_ASSIGN(ExpressionPtr right, and_level());
    LIEQ_ASSIGN(left, make(Kind::kOr, "", std::move(left), std::move(right)));
  }
  return left;
}

ExpressionParser::Parsed ExpressionParser::and_level() {
  LIEQ_ASSIGN(ExpressionPtr left, not_level());
  while (take_name("and")) {
    LIEQ_ASSIGN(ExpressionPtr right, not_level());
    LIEQ_ASSIGN(left, make(Kind::kAnd, "", std::move(left), std::move(right)));
  }
  return left;
}

ExpressionParser::Parsed ExpressionParser::not_level() {
  std::size_t count = 0;
  while (take_name("not")) ++count;
  LIEQ_ASSIGN(ExpressionPtr operand, comparison());
  for (; count > 0; --count) {
    LIEQ_ASSIGN(operand, make(Kind::kNot, "", std::move(operand)));
  }
  return operand;
}

ExpressionParser::Parsed ExpressionParser::comparison() {
  LIEQ_ASSIGN(ExpressionPtr first, sum());
  Expression chain{.kind = Kind::kCompare, .line = peek().line};
  while (true) {
    std::string operation;
    if (sees_name("not") && peek(1).kind == TokenKind::kName && peek(1).text == "in") {
      take();
      operation = "not ";
    }
    const bool symbol =
        peek().kind == TokenKind::kOperator &&
        std::ranges::count(std::initializer_list<std::string_view>{"==", "!=", "<", "<=", ">", ">="}, peek().text) > 0;
    if (!symbol && !sees_name("in")) break;
    chain.operators.push_back(operation + take().text);
    LIEQ_ASSIGN(ExpressionPtr next, sum());
    if (chain.parts.empty()) chain.parts.push_back(std::move(first));
    chain.parts.push_back(std::move(next));
  }
  if (chain.parts.empty()) return first;
  return make(std::move(chain));
}

ExpressionParser::Parsed ExpressionParser::left_associative(Level next,
                                                            std::initializer_list<std::string_view> operators) {
  LIEQ_ASSIGN(ExpressionPtr left, (this->*next)());
  while (peek().kind == TokenKind::kOperator && std::ranges::count(operators, peek().text) > 0) {
    std::string operation = take().text;
    LIEQ_ASSIGN(ExpressionPtr right, (this->*next)());
    LIEQ_ASSIGN(left, make(Kind::kBinary, std::move(operation), std::move(left), std::move(right)));
  }
  return left;
}

ExpressionParser::Parsed ExpressionParser::sum() {
  return left_associative(&ExpressionParser::concatenation, {"+", "-"});
}

ExpressionParser::Parsed ExpressionParser::concatenation() {
  LIEQ_ASSIGN(ExpressionPtr first, product());
  if (!sees_operator("~")) return first;
  Expression all{.kind = Kind::kConcat, .line = peek().line};
  all.parts.push_back(std::move(first));
  while (take_operator("~")) {
    LIEQ_ASSIGN(ExpressionPtr next, product());
    all.parts.push_back(std::move(next));
  }
  return make(std::move(all));
}

ExpressionParser::Parsed ExpressionParser::product() {
  return left_associative(&ExpressionParser::power, {"*", "/", "//", "%"});
}

ExpressionParser::Parsed ExpressionParser::power() {
  return left_associative(&ExpressionParser::unary_operand, {"**"});
}

ExpressionParser::Parsed ExpressionParser::unary(bool with_filters) {
  ExpressionPtr operand;
  if (sees_operator("-") || sees_operator("+")) {
    std::string sign = take().text;
    if (++nesting_ > kMaxNesting) return wrong(fmt::format("found an expression nested deeper than {}", kMaxNesting));
    LIEQ_ASSIGN(operand, unary(false));
    --nesting_;
    LIEQ_ASSIGN(operand, make(Kind::kUnary, std::move(sign), std::move(operand)));
  } else {
    LIEQ_ASSIGN(operand, primary());
  }
  LIEQ_ASSIGN(operand, postfix(std::move(operand)));
  if (!with_filters) return operand;
  while (sees_operator("|") || sees_name("is") || sees_operator("(")) {
    if (sees_operator("|")) {
      LIEQ_ASSIGN(operand, filters(std::move(operand), true));
    } else if (take_name("is")) {
      LIEQ_ASSIGN(operand, test(std::move(operand)));
    } else {
      LIEQ_ASSIGN(operand, postfix(std::move(operand)));
    }
  }
  return operand;
}

}  // namespace lieq::jinja
