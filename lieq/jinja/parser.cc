#include "lieq/jinja/parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "lieq/jinja/expression_parser.h"

namespace lieq::jinja {
namespace {

/// Statements: what stands in {% %}, and the text around it.
class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Result<Block> run() {
    LIEQ_ASSIGN(Block block, statements({}));
    if (sees(TokenKind::kEnd)) return block;
    take();  // "{%"; what follows ends a block that was never opened
    return expected("the name of a statement");
  }

 private:
  using Ends = std::initializer_list<std::string_view>;
  using Parse = Result<Statement> (Parser::*)();

  [[nodiscard]] bool sees_end(Ends ends) const {
    return sees(TokenKind::kBlockBegin) && peek(1).kind == TokenKind::kName &&
           std::ranges::count(ends, peek(1).text) > 0;
  }

  /// Up to a {% with one of `ends`, which stays, or the end of the template.
  Result<Block> statements(Ends ends) {
    if (++nesting_ > kMaxNesting) return wrong(fmt::format("found blocks nested deeper than {}", kMaxNesting));
    Block block;
    while (!sees(TokenKind::kEnd) && !sees_end(ends)) {
      const std::size_t outer = std::exchange(opened_, peek().line);
      auto parsed = statement();
      if (!parsed) return Unexpected(std::move(parsed).error());
      parsed->line = std::exchange(opened_, outer);
      block.push_back(std::move(*parsed));
    }
    --nesting_;
    return block;
  }

  /// As statements, then takes "{% END".
  Result<Block> body(Ends ends, std::string& end) {
    LIEQ_ASSIGN(Block block, statements(ends));
    if (sees(TokenKind::kEnd))
      return wrong(fmt::format("found the end of the template, expected '{}' of the block opened in line {}",
                               *(ends.end() - 1), opened_));
    take();
    end = take().text;
    return block;
  }
  Result<Block> body(std::string_view end) {
    std::string ignored;
    LIEQ_ASSIGN(Block block, body({end}, ignored));
    LIEQ_TRY(end_tag());
    return block;
  }
  Result<void> end_tag() {
    if (!sees(TokenKind::kBlockEnd)) return expected("'%}'");
    take();
    return {};
  }

  Result<Statement> statement() {
    if (sees(TokenKind::kText)) {
      Statement text{.kind = Statement::Kind::kText};
      text.text = take().text;
      return text;
    }
    if (sees(TokenKind::kPrintBegin)) {
      take();
      Statement print{.kind = Statement::Kind::kPrint};
      LIEQ_ASSIGN(print.value, tuple());
      if (!sees(TokenKind::kPrintEnd)) return expected("'}}'");
      take();
      return print;
    }
    take();  // "{%"
    constexpr std::array<std::pair<std::string_view, Parse>, 10> kStatements = {
        {{"if", &Parser::if_statement},
         {"for", &Parser::for_statement},
         {"set", &Parser::set_statement},
         {"macro", &Parser::macro_statement},
         {"call", &Parser::call_statement},
         {"filter", &Parser::filter_statement},
         {"with", &Parser::with_statement},
         {"generation", &Parser::generation_statement},
         {"break", &Parser::break_statement},
         {"continue", &Parser::break_statement}}};
    for (const auto& [name, parse] : kStatements)
      if (sees_name(name)) return (this->*parse)();
    return expected("if, for, set, macro, call, filter, with, generation, raw, break or continue");
  }

  Result<Statement> if_statement() {
    Statement all{.kind = Statement::Kind::kIf};
    std::string word = take().text;
    while (word != "endif") {
      ExpressionPtr condition;
      if (word != "else") {
        LIEQ_ASSIGN(condition, tuple(false));
      }
      LIEQ_TRY(end_tag());
      auto block = word == "else" ? body({"endif"}, word) : body({"elif", "else", "endif"}, word);
      if (!block) return Unexpected(std::move(block).error());
      all.branches.emplace_back(std::move(condition), std::move(*block));
    }
    LIEQ_TRY(end_tag());
    return all;
  }

  Result<Statement> for_statement() {
    take();
    Statement loop{.kind = Statement::Kind::kFor};
    LIEQ_ASSIGN(loop.target, target(false));
    LIEQ_TRY(expect_name("in"));
    LIEQ_ASSIGN(loop.value, tuple(false));
    if (take_name("if")) {
      LIEQ_ASSIGN(loop.condition, expression());
    }
    loop.recursive = take_name("recursive");
    LIEQ_TRY(end_tag());
    ++loops_;
    std::string end;
    LIEQ_ASSIGN(loop.body, body({"else", "endfor"}, end));
    --loops_;
    if (end == "else") {
      LIEQ_TRY(end_tag());
      LIEQ_ASSIGN(loop.otherwise, body("endfor"));
      return loop;
    }
    LIEQ_TRY(end_tag());
    return loop;
  }

  Result<Statement> set_statement() {
    take();
    Statement set{.kind = Statement::Kind::kSet};
    LIEQ_ASSIGN(set.target, target(true));
    if (take_operator("=")) {
      LIEQ_ASSIGN(set.value, tuple());
      LIEQ_TRY(end_tag());
      return set;
    }
    set.kind = Statement::Kind::kSetBlock;
    if (sees_operator("|")) {
      LIEQ_ASSIGN(set.value, filters(nullptr, true));
    } else if (!sees(TokenKind::kBlockEnd)) {
      return expected("'=' or '%}'");
    }
    LIEQ_TRY(end_tag());
    LIEQ_ASSIGN(set.body, body("endset"));
    return set;
  }

  Result<Signature> signature() {
    Signature all;
    LIEQ_TRY(expect_operator("("));
    while (!sees_operator(")")) {
      if (!all.names.empty()) LIEQ_TRY(expect_operator(","));
      LIEQ_ASSIGN(std::string parameter, any_name("the name of a parameter"));
      all.names.push_back(std::move(parameter));
      if (take_operator("=")) {
        LIEQ_ASSIGN(ExpressionPtr value, expression());
        all.defaults.push_back(std::move(value));
      } else if (!all.defaults.empty()) {
        return wrong("found a parameter without a default after one with a default");
      }
    }
    take();
    return all;
  }

  /// The body of a macro: it starts no loop to break out of, and its names decide what it is passed.
  Result<void> macro_body(Statement& macro, std::string_view end) {
    LIEQ_TRY(end_tag());
    const std::size_t loops = std::exchange(loops_, 0);
    names_.emplace_back();
    LIEQ_ASSIGN(macro.body, body(end));
    const std::set<std::string> names = std::move(names_.back());
    names_.pop_back();
    loops_ = loops;
    macro.signature.uses_varargs = names.contains("varargs");
    macro.signature.uses_kwargs = names.contains("kwargs");
    macro.signature.uses_caller = names.contains("caller");
    return {};
  }

  Result<Statement> macro_statement() {
    take();
    Statement macro{.kind = Statement::Kind::kMacro};
    LIEQ_ASSIGN(macro.text, any_name("the name of a macro"));
    LIEQ_ASSIGN(macro.signature, signature());
    LIEQ_TRY(macro_body(macro, "endmacro"));
    return macro;
  }

  Result<Statement> call_statement() {
    take();
    Statement call{.kind = Statement::Kind::kCallBlock};
    if (sees_operator("(")) {
      LIEQ_ASSIGN(call.signature, signature());
    }
    LIEQ_ASSIGN(call.value, expression());
    if (call.value->kind != Expression::Kind::kCall) return expected("a call");
    LIEQ_TRY(macro_body(call, "endcall"));
    return call;
  }

  Result<Statement> filter_statement() {
    take();
    Statement filter{.kind = Statement::Kind::kFilterBlock};
    LIEQ_ASSIGN(filter.value, filters(nullptr, false));
    LIEQ_TRY(end_tag());
    LIEQ_ASSIGN(filter.body, body("endfilter"));
    return filter;
  }

  Result<Statement> with_statement() {
    take();
    Statement with{.kind = Statement::Kind::kScope};
    while (!sees(TokenKind::kBlockEnd)) {
      if (!with.assignments.empty()) LIEQ_TRY(expect_operator(","));
      LIEQ_ASSIGN(ExpressionPtr name, target(false));
      LIEQ_TRY(expect_operator("="));
      LIEQ_ASSIGN(ExpressionPtr value, expression());
      with.assignments.emplace_back(std::move(name), std::move(value));
    }
    take();
    LIEQ_ASSIGN(with.body, body("endwith"));
    return with;
  }

  /// {% generation %} marks the assistant's words for training; here it is a scope and nothing else.
  Result<Statement> generation_statement() {
    take();
    LIEQ_TRY(end_tag());
    Statement scope{.kind = Statement::Kind::kScope};
    LIEQ_ASSIGN(scope.body, body("endgeneration"));
    return scope;
  }

  Result<Statement> break_statement() {
    if (loops_ == 0) return expected("a loop around it");
    Statement leave{.kind = take().text == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue};
    LIEQ_TRY(end_tag());
    return leave;
  }

  std::size_t loops_ = 0;   ///< around the current statement
  std::size_t opened_ = 1;  ///< the line in which the current statement begins
};

}  // namespace

Result<Block> parse(std::string_view source) {
  LIEQ_ASSIGN(auto tokens, tokenize(source));
  return Parser(std::move(tokens)).run();
}

}  // namespace lieq::jinja
