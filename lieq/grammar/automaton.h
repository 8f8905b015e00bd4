#pragma once
/// Private to grammar/: rules as automata over bytes that call one another.

#include <cstdint>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/grammar/rules.h"

namespace lieq::grammar {

using Node = std::uint32_t;

struct ByteEdge {
  std::uint8_t first = 0, last = 0;
  Node target = 0;
};

struct CallEdge {
  RuleId rule = 0;
  Node back = 0;  ///< where it goes on after the rule
};

/// Each rule is an automaton without empty moves. A rule that matches nothing at all is never called for that: the node
/// that calls it has the moves of the place behind the call as well. What cannot lead to an end of the text is not
/// here.
struct Automaton {
  struct NodeMoves {
    std::vector<ByteEdge> bytes;
    std::vector<CallEdge> calls;
    bool ends = false;  ///< the rule may end here
  };
  std::vector<NodeMoves> nodes;
  std::vector<Node> starts;               ///< of each rule
  std::vector<std::uint32_t> call_ranks;  ///< of each rule: greater than those of rules that call it before any byte
  RuleId root = 0;
  bool matches_empty = false;  ///< the empty text

  [[nodiscard]] bool goes_on(Node node) const { return !nodes[node].bytes.empty() || !nodes[node].calls.empty(); }
};

/// `place` opens the message of an error. Errors: kUnsupported for left recursion (naming the rules) and for more than
/// a few 100,000 states; kInvalidFormat when nothing matches `root`.
[[nodiscard]] Result<Automaton> build_automaton(Rules rules, RuleId root, const std::string& place);

}  // namespace lieq::grammar
