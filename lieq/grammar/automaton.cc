#include "lieq/grammar/automaton.h"

#include <algorithm>
#include <utility>

#include "lieq/base/message.h"
#include "lieq/grammar/thompson.h"

namespace lieq::grammar {
namespace {

constexpr std::size_t kMaxEdges = 4'000'000;

/// Rules that match the empty text. Linear: each node is reached once from its rule's start by empty moves.
std::vector<bool> nullable_rules(const Thompson& raw) {
  std::vector<bool> reached(raw.nodes.size()), nullable(raw.starts.size());
  std::vector<std::vector<Node>> waiting(raw.starts.size());  // behind calls of rules not yet known as nullable
  std::vector<std::vector<RuleId>> ends_of(raw.nodes.size());
  for (RuleId r = 0; r < raw.ends.size(); ++r) ends_of[raw.ends[r]].push_back(r);
  std::vector<Node> work(raw.starts.begin(), raw.starts.end());
  while (!work.empty()) {
    const Node node = work.back();
    work.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    const Thompson::RawNode& moves = raw.nodes[node];
    work.insert(work.end(), moves.empty.begin(), moves.empty.end());
    for (const CallEdge& call : moves.calls) {
      if (nullable[call.rule])
        work.push_back(call.back);
      else
        waiting[call.rule].push_back(call.back);
    }
    for (const RuleId rule : ends_of[node]) {
      nullable[rule] = true;
      work.insert(work.end(), waiting[rule].begin(), waiting[rule].end());
      waiting[rule].clear();
    }
  }
  return nullable;
}

/// Nodes from which the end of their rule can be reached. Linear, backwards from the ends.
std::vector<bool> productive_nodes(const Thompson& raw) {
  std::vector<std::vector<Node>> before(raw.nodes.size());
  std::vector<std::vector<std::pair<Node, Node>>> calls(raw.starts.size());  // of a rule: caller, behind
  std::vector<std::vector<std::pair<Node, RuleId>>> calls_behind(raw.nodes.size());
  for (Node n = 0; n < raw.nodes.size(); ++n) {
    for (const ByteEdge& edge : raw.nodes[n].bytes) before[edge.target].push_back(n);
    for (const Node next : raw.nodes[n].empty) before[next].push_back(n);
    for (const CallEdge& call : raw.nodes[n].calls) {
      calls[call.rule].emplace_back(n, call.back);
      calls_behind[call.back].emplace_back(n, call.rule);
    }
  }
  std::vector<std::vector<RuleId>> rules_at(raw.nodes.size());
  for (RuleId r = 0; r < raw.starts.size(); ++r) rules_at[raw.starts[r]].push_back(r);
  std::vector<bool> productive(raw.nodes.size()), rule_productive(raw.starts.size());
  std::vector<Node> work(raw.ends.begin(), raw.ends.end());
  while (!work.empty()) {
    const Node node = work.back();
    work.pop_back();
    if (productive[node]) continue;
    productive[node] = true;
    work.insert(work.end(), before[node].begin(), before[node].end());
    for (const auto& [caller, rule] : calls_behind[node]) {
      if (rule_productive[rule]) work.push_back(caller);
    }
    for (const RuleId rule : rules_at[node]) {
      rule_productive[rule] = true;
      for (const auto& [caller, behind] : calls[rule]) {
        if (productive[behind]) work.push_back(caller);
      }
    }
  }
  return productive;
}

/// Takes what is reachable and useful out of the raw nodes, without their empty moves.
class Extraction {
 public:
  explicit Extraction(const Thompson& raw)
      : raw_(raw),
        nullable_(nullable_rules(raw)),
        productive_(productive_nodes(raw)),
        number_(raw.nodes.size(), kNone),
        seen_(raw.nodes.size(), kNone),
        is_end_(raw.nodes.size()) {
    for (const Node end : raw.ends) is_end_[end] = true;
  }

  [[nodiscard]] bool matches_nothing(RuleId root) const { return !productive_[raw_.starts[root]]; }

  /// False when there are more than kMaxEdges.
  bool run(RuleId root, Automaton& out) {
    out.root = root;
    out.matches_empty = nullable_[root];
    out.starts.assign(raw_.starts.size(), kNone);
    add_rule(root, out);
    for (std::size_t done = 0; done < kept_.size(); ++done) {  // grows with what is reached
      Automaton::NodeMoves moves = moves_of(kept_[done]);
      edges_ += moves.bytes.size() + moves.calls.size();
      if (edges_ > kMaxEdges) return false;
      for (ByteEdge& edge : moves.bytes) edge.target = number(edge.target);
      for (CallEdge& call : moves.calls) {
        add_rule(call.rule, out);
        call.back = number(call.back);
      }
      out.nodes.push_back(std::move(moves));
    }
    return true;
  }

 private:
  static constexpr Node kNone = ~Node{0};

  void add_rule(RuleId rule, Automaton& out) {
    if (out.starts[rule] == kNone) out.starts[rule] = number(raw_.starts[rule]);
  }

  Node number(Node node) {
    if (number_[node] == kNone) {
      number_[node] = static_cast<Node>(kept_.size());
      kept_.push_back(node);
    }
    return number_[node];
  }

  Automaton::NodeMoves moves_of(Node from) {
    Automaton::NodeMoves moves;
    std::vector<Node> work{from};
    while (!work.empty()) {
      const Node node = work.back();
      work.pop_back();
      if (seen_[node] == from || !productive_[node]) continue;
      seen_[node] = from;
      moves.ends = moves.ends || is_end_[node];
      for (const ByteEdge& edge : raw_.nodes[node].bytes) {
        if (productive_[edge.target]) moves.bytes.push_back(edge);
      }
      for (const CallEdge& call : raw_.nodes[node].calls) {
        if (!productive_[raw_.starts[call.rule]] || !productive_[call.back]) continue;
        moves.calls.push_back(call);
        if (nullable_[call.rule]) work.push_back(call.back);
      }
      work.insert(work.end(), raw_.nodes[node].empty.begin(), raw_.nodes[node].empty.end());
    }
    return moves;
  }

  const Thompson& raw_;
  const std::vector<bool> nullable_, productive_;
  std::vector<Node> number_, seen_, kept_;
  std::vector<bool> is_end_;
  std::size_t edges_ = 0;
};

/// Ranks rules by who calls whom before any byte; a circle of such calls is left recursion.
Result<void> rank_calls(Automaton& automaton, const Rules& rules, const std::string& place) {
  enum class Mark : std::uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(automaton.starts.size(), Mark::kNew);
  std::vector<RuleId> finished;
  struct Visit {
    RuleId rule;
    std::size_t next = 0;
  };
  for (RuleId first = 0; first < automaton.starts.size(); ++first) {
    if (automaton.starts[first] == ~Node{0} || marks[first] != Mark::kNew) continue;
    std::vector<Visit> path{{first}};
    marks[first] = Mark::kOpen;
    while (!path.empty()) {
      Visit& visit = path.back();
      const auto& calls = automaton.nodes[automaton.starts[visit.rule]].calls;
      if (visit.next == calls.size()) {
        marks[visit.rule] = Mark::kDone;
        finished.push_back(visit.rule);
        path.pop_back();
        continue;
      }
      const RuleId callee = calls[visit.next++].rule;
      if (marks[callee] == Mark::kOpen) {
        return fail(ErrorCode::kUnsupported, place + ": rule " + in_quotes(rules.rules()[callee].name) +
                                                 " begins with itself (left recursion), which is not supported");
      }
      if (marks[callee] == Mark::kNew) {
        marks[callee] = Mark::kOpen;
        path.push_back({callee});
      }
    }
  }
  automaton.call_ranks.assign(automaton.starts.size(), 0);
  for (std::size_t i = 0; i < finished.size(); ++i) {
    automaton.call_ranks[finished[i]] = static_cast<std::uint32_t>(finished.size() - i);
  }
  return {};
}

}  // namespace

Result<Automaton> build_automaton(Rules rules, RuleId root, const std::string& place) {
  Thompson raw(std::move(rules));
  Automaton automaton;
  const bool fits = raw.run();
  if (fits) {
    Extraction extraction(raw);
    if (extraction.matches_nothing(root)) {
      return fail(ErrorCode::kInvalidFormat, place + ": no text can match it, expected at least one");
    }
    if (extraction.run(root, automaton)) {
      LIEQ_TRY(rank_calls(automaton, raw.rules(), place));
      return automaton;
    }
  }
  return fail(ErrorCode::kUnsupported,
              place + ": too large, expected a grammar of at most " + std::to_string(Thompson::kMaxNodes) + " states");
}

}  // namespace lieq::grammar
