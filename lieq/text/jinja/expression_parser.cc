#include "lieq/text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/text/jinja/parser.h"

namespace lieq::text::jinja {

const Token& ExpressionParser::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

Token ExpressionParser::take() {
  Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::sees(TokenKind kind, std::string_view text) const {
  return peek().kind == kind && (text.empty() || peek().text == text);
}

bool ExpressionParser::take_name(std::string_view text) { return sees_name(text) && (take(), true); }
bool ExpressionParser::take_operator(std::string_view text) { return sees_operator(text) && (take(), true); }

Unexpected ExpressionParser::wrong(const std::string& what) const {
  return fail(ErrorCode::kInvalidFormat, fmt::format("line {}: {}", peek().line, what));
}

Unexpected ExpressionParser::expected(std::string_view what) const {
  return wrong(fmt::format("found {}, expected {}", describe(peek()), what));
}

Result<void> ExpressionParser::expect_operator(std::string_view text) {
  if (take_operator(text)) return {};
  return expected(fmt::format("'{}'", text));
}

Result<void> ExpressionParser::expect_name(std::string_view text) {
  if (take_name(text)) return {};
  return expected(fmt::format("'{}'", text));
}

Result<std::string> ExpressionParser::any_name(std::string_view what) {
  if (!sees(TokenKind::kName)) return expected(what);
  return take().text;
}

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
  Expression expression{.kind = Kind::kConstant, .line = peek().line};
  std::string text = take().text;
  if (text == "true" || text == "True") {
    expression.constant = true;
  } else if (text == "false" || text == "False") {
    expression.constant = false;
  } else if (text == "none" || text == "None") {
    expression.constant = None{};
  } else {
    expression.kind = Kind::kName;
    for (auto& names : names_) names.insert(text);
    expression.name = std::move(text);
  }
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

}  // namespace lieq::text::jinja
