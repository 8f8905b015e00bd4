#include "lieq/grammar/thompson.h"

#include <algorithm>

namespace lieq::grammar {
namespace {

/// Repetitions up to kUnrolled are written out. Longer ones are made of blocks, each a rule that is written out once,
/// so that {0,100000} costs some 100 nodes and positions in different blocks share their masks.
constexpr std::size_t kUnrolled = 64, kBlock = 32;

}  // namespace

Thompson::Thompson(Rules rules) : rules_(std::move(rules)) {}

bool Thompson::run() {
  for (RuleId r = 0; r < rules_.rules().size() && nodes.size() < kMaxNodes; ++r) {  // grows with blocks
    starts.push_back(new_node());
    ends.push_back(emit(rules_.rules()[r].body, starts[r]));
  }
  return nodes.size() < kMaxNodes && !rules_.full();
}

Node Thompson::new_node() {
  nodes.emplace_back();
  return static_cast<Node>(nodes.size() - 1);
}

Node Thompson::emit(Expression e, Node from) {
  if (nodes.size() >= kMaxNodes || rules_.full()) return from;
  const ExpressionNode node = rules_[e];  // a copy: blocks add expressions
  using Kind = ExpressionNode::Kind;
  switch (node.kind) {
    case Kind::kText: {
      for (const char c : node.text) {
        const Node next = new_node();
        const auto byte = static_cast<std::uint8_t>(c);
        nodes[from].bytes.push_back({byte, byte, next});
        from = next;
      }
      return from;
    }
    case Kind::kSet: return emit_set(node.set, from);
    case Kind::kSequence:
      for (const Expression part : node.parts) from = emit(part, from);
      return from;
    case Kind::kChoice: {
      const Node join = new_node();
      for (const Expression part : node.parts) {
        const Node end = emit(part, from);
        nodes[end].empty.push_back(join);
      }
      return join;
    }
    case Kind::kRepeat: return emit_repeat(node.parts[0], node.min, node.max, from);
    case Kind::kRule: {
      const Node back = new_node();
      nodes[from].calls.push_back({node.rule, back});
      return back;
    }
    case Kind::kOrdered: return emit_ordered(e, from);
  }
  return from;
}

Node Thompson::emit_set(const CodeSet& set, Node from) {
  const Node to = new_node();
  std::map<std::vector<ByteRange>, Node> tails;  // bytes that are still to come -> where they start
  for (const std::vector<ByteRange>& bytes : utf8_ranges(set)) {
    Node next = to;
    for (std::size_t at = bytes.size(); at-- > 1;) {
      const auto [found, is_new] = tails.try_emplace({bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end()}, 0);
      if (is_new) {
        found->second = new_node();
        nodes[found->second].bytes.push_back({bytes[at].first, bytes[at].last, next});
      }
      next = found->second;
    }
    nodes[from].bytes.push_back({bytes[0].first, bytes[0].last, next});
  }
  return to;
}

Node Thompson::emit_repeat(Expression part, std::size_t min, std::size_t max, Node from) {
  if (max != kNoLimit && max < min) return emit(rules_.nothing(), from);
  if (min > kUnrolled) return emit_repeat(part, 0, max == kNoLimit ? max : max - min, emit(exactly(part, min), from));
  for (std::size_t i = 0; i < min; ++i) from = emit(part, from);
  if (max == kNoLimit) {
    const Node loop = new_node();
    nodes[from].empty.push_back(loop);
    const Node end = emit(part, loop);
    nodes[end].empty.push_back(loop);
    return loop;
  }
  if (max - min > kUnrolled) return emit(at_most(part, max - min), from);
  const Node end = new_node();
  for (std::size_t i = min; i < max; ++i) {
    nodes[from].empty.push_back(end);
    // A node of its own, lest `from`, which may have other moves, be entered again.
    from = emit(part, from);
  }
  nodes[from].empty.push_back(end);
  return end;
}

Node Thompson::emit_ordered(Expression e, Node from) {
  const ExpressionNode node = rules_[e];
  Node some = new_node();  // behind at least one part; `from`: before the first
  bool first_may_come = true;
  for (std::size_t i = 0; i < node.required.size(); ++i) {
    const Node begin = new_node(), next = new_node();
    const Node behind = emit(node.parts[0], some);
    nodes[behind].empty.push_back(begin);
    if (first_may_come) nodes[from].empty.push_back(begin);
    const Node end = emit(node.parts[i + 1], begin);
    nodes[end].empty.push_back(next);
    if (node.required[i]) {
      first_may_come = false;
    } else {
      nodes[some].empty.push_back(next);
    }
    some = next;
  }
  if (!first_may_come) return some;
  const Node end = new_node();
  nodes[from].empty.push_back(end);
  nodes[some].empty.push_back(end);
  return end;
}

Expression Thompson::block(Expression part) {
  const auto [found, is_new] = blocks_.try_emplace(part, 0);
  if (is_new) {
    found->second = rules_.declare("repetition");
    rules_.define(found->second, rules_.repeat(part, kBlock, kBlock));
  }
  return rules_.rule(found->second);
}

Expression Thompson::exactly(Expression part, std::size_t count) {
  if (count <= kUnrolled) return rules_.repeat(part, count, count);
  const Expression blocks = exactly(block(part), count / kBlock);
  return rules_.sequence({blocks, rules_.repeat(part, count % kBlock, count % kBlock)});
}

Expression Thompson::at_most(Expression part, std::size_t count) {
  if (count <= kUnrolled) return rules_.repeat(part, 0, count);
  const std::size_t full = count / kBlock;
  const Expression one = block(part);
  const Expression fewer = rules_.sequence({at_most(one, full - 1), rules_.repeat(part, 0, kBlock - 1)});
  const Expression all = rules_.sequence({exactly(one, full), rules_.repeat(part, 0, count % kBlock)});
  return rules_.choice({fewer, all});
}

}  // namespace lieq::grammar
