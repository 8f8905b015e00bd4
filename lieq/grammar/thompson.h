#pragma once
/// Private to grammar/: expressions to automata with empty moves.

#include <map>
#include <utility>
#include <vector>

#include "lieq/grammar/automaton.h"

namespace lieq::grammar {

/// Thompson's construction, rule by rule.
class Thompson {
 public:
  static constexpr std::size_t kMaxNodes = 300'000;

  struct RawNode {
    std::vector<ByteEdge> bytes;
    std::vector<CallEdge> calls;
    std::vector<Node> empty;
  };

  explicit Thompson(Rules rules);
  /// False when there are more than kMaxNodes.
  [[nodiscard]] bool run();

  std::vector<RawNode> nodes;
  std::vector<Node> starts, ends;  ///< of each rule, those that repetitions add included
  [[nodiscard]] const Rules& rules() const { return rules_; }

 private:
  Node new_node();
  /// Adds what `e` matches after `from`, and returns the node behind it, which has no moves into itself yet.
  Node emit(Expression e, Node from);
  Node emit_set(const CodeSet& set, Node from);
  Node emit_repeat(Expression part, std::size_t min, std::size_t max, Node from);
  Node emit_ordered(Expression e, Node from);
  Expression exactly(Expression part, std::size_t count);
  Expression at_most(Expression part, std::size_t count);
  Expression block(Expression part);

  Rules rules_;
  std::map<Expression, RuleId> blocks_;
};

}  // namespace lieq::grammar
