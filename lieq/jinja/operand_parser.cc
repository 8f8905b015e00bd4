/// Operands: names, numbers, strings, brackets of every kind; and what can be assigned to.

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/jinja/expression_parser.h"

namespace lieq::jinja {

ExpressionParser::Parsed ExpressionParser::primary() {
  const Token token = peek();
  switch (token.kind) {
    case TokenKind::kName: return name();
    case TokenKind::kString: return strings();
    case TokenKind::kInteger:
    case TokenKind::kFloat: take(); return number(token);
    case TokenKind::kOperator:
      if (take_operator("(")) return brackets();
      if (take_operator("[")) return list();
      if (take_operator("{")) return dict();
      break;
    default: break;
  }
  return expected("an expression");
}

ExpressionParser::Parsed ExpressionParser::name() {
  const std::string& text = peek().text;
  Expression expression{.kind = Kind::kConstant, .line = peek().line};
  if (text == "true" || text == "True") {
    expression.constant = true;
  } else if (text == "false" || text == "False") {
    expression.constant = false;
  } else if (text == "none" || text == "None") {
    expression.constant = None{};
  } else {
    expression.kind = Kind::kName;
    for (auto& names : names_) names.insert(text);
    expression.name = text;
  }
  take();
  return make(std::move(expression));
}

ExpressionParser::Parsed ExpressionParser::number(const Token& token) {
  const char *begin = token.text.data(), *end = begin + token.text.size();
  Expression expression{.kind = Kind::kConstant, .line = token.line};
  if (token.kind == TokenKind::kFloat) {
    double value = 0;
    if (std::from_chars(begin, end, value).ec != std::errc{})
      return wrong(fmt::format("found the number {}, which is out of range", token.text));
    expression.constant = value;
  } else {
    std::int64_t value = 0;
    int base = 10;
    for (const auto& [letter, its_base] : {std::pair{'x', 16}, {'o', 8}, {'b', 2}})
      if (token.text.size() > 2 && (token.text[1] | 0x20) == letter) base = its_base;
    if (std::from_chars(base == 10 ? begin : begin + 2, end, value, base).ec != std::errc{})
      return wrong(fmt::format("found the number {}, expected one of 64 bits", printable(token.text)));
    expression.constant = value;
  }
  return make(std::move(expression));
}

ExpressionParser::Parsed ExpressionParser::strings() {
  Expression expression{.kind = Kind::kConstant, .line = peek().line};
  std::string text;
  while (sees(TokenKind::kString)) text += take().text;  // neighbours are one string
  expression.constant = std::move(text);
  return make(std::move(expression));
}

ExpressionParser::Parsed ExpressionParser::brackets() {
  if (take_operator(")")) return make(Kind::kTuple, "");
  LIEQ_ASSIGN(ExpressionPtr inner, tuple());
  LIEQ_TRY(expect_operator(")"));
  return inner;
}

ExpressionParser::Parsed ExpressionParser::list() {
  Expression all{.kind = Kind::kList, .line = peek().line};
  while (!sees_operator("]")) {
    if (!all.parts.empty()) LIEQ_TRY(expect_operator(","));
    if (sees_operator("]")) break;
    LIEQ_ASSIGN(ExpressionPtr item, expression());
    all.parts.push_back(std::move(item));
  }
  LIEQ_TRY(expect_operator("]"));
  return make(std::move(all));
}

ExpressionParser::Parsed ExpressionParser::dict() {
  Expression all{.kind = Kind::kDict, .line = peek().line};
  while (!sees_operator("}")) {
    if (!all.parts.empty()) LIEQ_TRY(expect_operator(","));
    if (sees_operator("}")) break;
    LIEQ_ASSIGN(ExpressionPtr key, expression());
    LIEQ_TRY(expect_operator(":"));
    LIEQ_ASSIGN(ExpressionPtr value, expression());
    all.parts.push_back(std::move(key));
    all.parts.push_back(std::move(value));
  }
  LIEQ_TRY(expect_operator("}"));
  return make(std::move(all));
}

bool ExpressionParser::tuple_ends() const {
  return sees(TokenKind::kPrintEnd) || sees(TokenKind::kBlockEnd) || sees_operator(")") || sees_operator("=") ||
         sees_name("in") || sees_name("recursive") || sees_name("if");
}

ExpressionParser::Parsed ExpressionParser::tuple(bool conditional) {
  const auto one = [&] { return conditional ? expression() : or_level(); };
  LIEQ_ASSIGN(ExpressionPtr first, one());
  if (!sees_operator(",")) return first;
  Expression all{.kind = Kind::kTuple, .line = peek().line};
  all.parts.push_back(std::move(first));
  while (take_operator(",") && !tuple_ends()) {
    LIEQ_ASSIGN(ExpressionPtr next, one());
    all.parts.push_back(std::move(next));
  }
  return make(std::move(all));
}

ExpressionParser::Parsed ExpressionParser::target(bool attributes) {
  Expression all{.kind = Kind::kTuple, .line = peek().line};
  const bool bracketed = take_operator("(");
  bool comma = false;
  do {
    if (comma && tuple_ends()) break;
    LIEQ_ASSIGN(std::string text, any_name("a name to assign to"));
    if (text == "true" || text == "false" || text == "none" || text == "True" || text == "False" || text == "None")
      return wrong(fmt::format("found '{}', expected a name to assign to", text));
    LIEQ_ASSIGN(ExpressionPtr one, make(Kind::kName, std::move(text)));
    if (attributes && take_operator(".")) {
      LIEQ_ASSIGN(std::string attribute_name, any_name("a name after '.'"));
      LIEQ_ASSIGN(one, make(Kind::kAttribute, std::move(attribute_name), std::move(one)));
    }
    all.parts.push_back(std::move(one));
    comma = sees_operator(",");
  } while (take_operator(","));
  if (bracketed) LIEQ_TRY(expect_operator(")"));
  if (all.parts.size() == 1 && !comma) return std::move(all.parts.front());
  return make(std::move(all));
}

}  // namespace lieq::jinja
