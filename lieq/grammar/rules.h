#pragma once
/// Private to grammar/: rules as expressions, what GBNF, regular expressions and JSON Schema are read into.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lieq/grammar/code_set.h"

namespace lieq::grammar {

/// An index into Rules::expressions(). Expressions may be used in several places.
using Expression = std::uint32_t;
using RuleId = std::uint32_t;

inline constexpr std::size_t kNoLimit = ~std::size_t{0};

struct ExpressionNode {
  enum class Kind {
    kText,      ///< these bytes
    kSet,       ///< one code point of a set
    kSequence,  ///< all parts, one after the other
    kChoice,    ///< one of the parts; of none: nothing matches
    kRepeat,    ///< parts[0], min to max times
    kRule,      ///< what another rule matches
    kOrdered,   ///< the parts in order, with parts[0] between two; those that are not required may be left out
  } kind = Kind::kText;
  std::string text = {};
  CodeSet set = {};
  std::vector<Expression> parts = {};
  std::vector<bool> required = {};  ///< kOrdered: of parts[i + 1]
  std::size_t min = 0, max = 0;
  RuleId rule = 0;
};

class Rules {
 public:
  /// More than any sensible grammar has: a bound on work and memory. Readers stop when full().
  static constexpr std::size_t kMaxExpressions = 400'000;

  Expression text(std::string bytes);
  Expression set(CodeSet set);
  Expression sequence(std::vector<Expression> parts);
  Expression choice(std::vector<Expression> parts);
  Expression repeat(Expression part, std::size_t min, std::size_t max);
  Expression optional(Expression part) { return repeat(part, 0, 1); }
  Expression rule(RuleId id);
  Expression ordered(Expression separator, std::vector<Expression> parts, std::vector<bool> required);
  Expression empty() { return text({}); }
  Expression nothing() { return choice({}); }

  /// `name` is for messages.
  RuleId declare(std::string name);
  void define(RuleId rule, Expression body) { rules_[rule].body = body; }
  /// declare, define and rule in one.
  Expression named(std::string name, Expression body);

  struct Rule {
    std::string name;
    Expression body = 0;
  };
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
  [[nodiscard]] const ExpressionNode& operator[](Expression e) const { return expressions_[e]; }
  [[nodiscard]] bool full() const { return expressions_.size() >= kMaxExpressions; }

 private:
  Expression add(ExpressionNode node);
  std::vector<ExpressionNode> expressions_;
  std::vector<Rule> rules_;
};

}  // namespace lieq::grammar
