#include "lieq/grammar/rules.h"

#include <utility>

namespace lieq::grammar {

Expression Rules::add(ExpressionNode node) {
  expressions_.push_back(std::move(node));
  return static_cast<Expression>(expressions_.size() - 1);
}

Expression Rules::text(std::string bytes) {
  return add({.kind = ExpressionNode::Kind::kText, .text = std::move(bytes)});
}

Expression Rules::set(CodeSet set) { return add({.kind = ExpressionNode::Kind::kSet, .set = std::move(set)}); }

Expression Rules::sequence(std::vector<Expression> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = ExpressionNode::Kind::kSequence, .parts = std::move(parts)});
}

Expression Rules::choice(std::vector<Expression> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = ExpressionNode::Kind::kChoice, .parts = std::move(parts)});
}

Expression Rules::repeat(Expression part, std::size_t min, std::size_t max) {
  return add({.kind = ExpressionNode::Kind::kRepeat, .parts = {part}, .min = min, .max = max});
}

Expression Rules::rule(RuleId id) { return add({.kind = ExpressionNode::Kind::kRule, .rule = id}); }

Expression Rules::ordered(Expression separator, std::vector<Expression> parts, std::vector<bool> required) {
  parts.insert(parts.begin(), separator);
  return add({.kind = ExpressionNode::Kind::kOrdered, .parts = std::move(parts), .required = std::move(required)});
}

RuleId Rules::declare(std::string name) {
  rules_.push_back({std::move(name), 0});
  return static_cast<RuleId>(rules_.size() - 1);
}

Expression Rules::named(std::string name, Expression body) {
  const RuleId id = declare(std::move(name));
  define(id, body);
  return rule(id);
}

}  // namespace lieq::grammar
