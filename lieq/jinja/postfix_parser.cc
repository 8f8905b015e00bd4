/// What follows an operand: attributes, subscripts, calls, filters, tests.

#include <utility>

#include "lieq/jinja/expression_parser.h"

namespace lieq::jinja {

ExpressionParser::Parsed ExpressionParser::postfix(ExpressionPtr operand) {
  while (true) {
    if (take_operator(".")) {
      LIEQ_ASSIGN(operand, attribute(std::move(operand)));
    } else if (take_operator("[")) {
      LIEQ_ASSIGN(operand, subscript(std::move(operand)));
    } else if (sees_operator("(")) {
      Expression call{.kind = Kind::kCall, .line = peek().line};
      LIEQ_ASSIGN(call.arguments, call_arguments());
      call.parts.push_back(std::move(operand));
      LIEQ_ASSIGN(operand, make(std::move(call)));
    } else {
      return operand;
    }
  }
}

ExpressionParser::Parsed ExpressionParser::attribute(ExpressionPtr operand) {
  if (sees(TokenKind::kName)) return make(Kind::kAttribute, take().text, std::move(operand));
  if (!sees(TokenKind::kInteger)) return expected("a name or a number after '.'");
  LIEQ_ASSIGN(ExpressionPtr index, number(take()));  // x.0 is x[0]
  return make(Kind::kItem, "", std::move(operand), std::move(index));
}

ExpressionParser::Parsed ExpressionParser::subscript(ExpressionPtr operand) {
  std::vector<ExpressionPtr> bounds;
  bool slice = false;
  ExpressionPtr current;
  while (!sees_operator("]")) {
    if (take_operator(":")) {
      slice = true;
      bounds.push_back(std::exchange(current, nullptr));
    } else if (!current) {
      LIEQ_ASSIGN(current, tuple());
    } else {
      return expected("']' or ':'");
    }
  }
  take();
  if (!slice && !current) return wrong("found '[]', expected an index");
  if (!slice) return make(Kind::kItem, "", std::move(operand), std::move(current));
  bounds.push_back(std::move(current));
  if (bounds.size() > 3) return wrong("found a slice with more than two ':'");
  bounds.resize(3);
  return make(Kind::kSlice, "", std::move(operand), std::move(bounds[0]), std::move(bounds[1]), std::move(bounds[2]));
}

ExpressionParser::Parsed ExpressionParser::filters(ExpressionPtr operand, bool first_has_pipe) {
  for (bool first = true; first ? true : sees_operator("|"); first = false) {
    if (!first || first_has_pipe) LIEQ_TRY(expect_operator("|"));
    Expression filter{.kind = Kind::kFilter, .line = peek().line};
    LIEQ_ASSIGN(filter.name, any_name("the name of a filter"));
    if (sees_operator("(")) {
      LIEQ_ASSIGN(filter.arguments, call_arguments());
    }
    filter.parts.push_back(std::move(operand));
    LIEQ_ASSIGN(operand, make(std::move(filter)));
  }
  return operand;
}

ExpressionParser::Parsed ExpressionParser::test(ExpressionPtr operand) {
  const bool negated = take_name("not");
  Expression one{.kind = Kind::kTest, .line = peek().line};
  LIEQ_ASSIGN(one.name, any_name("the name of a test"));
  one.parts.push_back(std::move(operand));
  const bool starts_argument = peek().kind == TokenKind::kName || peek().kind == TokenKind::kString ||
                               peek().kind == TokenKind::kInteger || peek().kind == TokenKind::kFloat ||
                               sees_operator("[") || sees_operator("{");
  if (sees_operator("(")) {
    LIEQ_ASSIGN(one.arguments, call_arguments());
  } else if (starts_argument && !sees_name("else") && !sees_name("or") && !sees_name("and")) {
    if (sees_name("is")) return wrong("found 'is' after a test, expected one test only");
    LIEQ_ASSIGN(ExpressionPtr argument, primary());
    LIEQ_ASSIGN(argument, postfix(std::move(argument)));
    one.arguments.positional.push_back(std::move(argument));
  }
  LIEQ_ASSIGN(ExpressionPtr made, make(std::move(one)));
  if (!negated) return made;
  return make(Kind::kNot, "", std::move(made));
}

Result<CallArguments> ExpressionParser::call_arguments() {
  CallArguments arguments;
  LIEQ_TRY(expect_operator("("));
  for (bool first = true; !sees_operator(")"); first = false) {
    if (!first) LIEQ_TRY(expect_operator(","));
    if (sees_operator(")")) break;
    const bool named = peek().kind == TokenKind::kName && peek(1).kind == TokenKind::kOperator && peek(1).text == "=";
    if (take_operator("*")) {
      LIEQ_ASSIGN(arguments.star, expression());
    } else if (take_operator("**")) {
      LIEQ_ASSIGN(arguments.star_star, expression());
    } else if (named) {
      std::string key = take().text;
      take();
      LIEQ_ASSIGN(ExpressionPtr value, expression());
      arguments.named.emplace_back(std::move(key), std::move(value));
    } else if (!arguments.named.empty() || arguments.star_star) {
      return wrong("found an argument without a name after one with a name");
    } else {
      LIEQ_ASSIGN(ExpressionPtr value, expression());
      arguments.positional.push_back(std::move(value));
    }
  }
  take();
  return arguments;
}

}  // namespace lieq::jinja
