#pragma once
/// Private to grammar/: where a text stands in a grammar, byte by byte.

#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lieq/grammar/automaton.h"

namespace lieq::grammar {

/// A deterministic machine over the automata, made as it is walked.
///
/// A context is a set of places (node, context) that rules called at one byte go back to: all calls of a rule at one
/// byte share one, so that an ambiguous text costs what its length and the grammar allow, not what its parses number.
/// A state is a set of (node, context). Equal sets are one state. Context 0 is the bottom: what is behind the rule that
/// the walk started in.
class Walker {
 public:
  using State = std::uint32_t;
  using Context = std::uint32_t;
  struct Place {
    Node node = 0;
    Context context = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  static constexpr State kDead = 0;  ///< the text cannot go on
  static constexpr Context kBottom = 0;

  explicit Walker(const Automaton& automaton);

  /// Before the first byte of the root rule, which goes back to the bottom.
  [[nodiscard]] State start();
  /// At one node, whose rule goes back to the bottom.
  [[nodiscard]] State at(Node node);
  /// Where a rule called in `context` goes back to. Not the bottom.
  [[nodiscard]] State behind(Context context);
  [[nodiscard]] State step(State state, std::uint8_t byte);

  /// Places from which bytes can follow.
  [[nodiscard]] std::span<const Place> places(State state) const { return states_[state].places; }
  /// Whether the rule that the walk started in may have ended.
  [[nodiscard]] bool reached_bottom(State state) const { return states_[state].bottom; }
  [[nodiscard]] bool can_go_on(State state) const { return !states_[state].places.empty(); }

  /// Whether a bound of work was reached; then states are dead that need not be.
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  /// Grants new work, of which `spent` is gone already: for each mask and each token.
  void refresh(std::uint64_t spent = 0) { work_ = spent; }
  [[nodiscard]] std::uint64_t spent() const { return work_; }

  /// States and contexts made so far.
  [[nodiscard]] std::size_t size() const { return states_.size() + contexts_.size(); }
  /// A walker that knows only what `state` needs, and the state's number there.
  [[nodiscard]] std::pair<Walker, State> keeping(State state) const;

 private:
  struct StateData {
    std::vector<Place> places;  ///< sorted
    bool bottom = false;
    std::vector<Place> scanned;  ///< with the starts of the rules they call; once expanded
    std::vector<State> next;     ///< [256], once expanded; empty before
  };
  static constexpr State kUnknown = std::numeric_limits<State>::max();
  static constexpr std::uint64_t kMaxWork = 2'000'000;
  static constexpr std::size_t kMaxPlaces = 4'000;

  void pop(Node node, Context context);  ///< adds a place and what lies behind its rule if that may end, to pending_
  bool add_pending(Place place);         ///< false: it is there already
  State intern_pending();
  Context intern_context(std::vector<Place> returns);
  void expand(State state);
  void spend(std::uint64_t work);

  const Automaton* automaton_;
  std::vector<StateData> states_;
  std::vector<std::vector<Place>> contexts_;
  std::unordered_multimap<std::uint64_t, State> state_index_;
  std::unordered_multimap<std::uint64_t, Context> context_index_;
  std::vector<Place> pending_, stack_;
  std::unordered_set<std::uint64_t> pending_set_;  ///< the same as pending_, once that is long
  bool pending_bottom_ = false, overflowed_ = false;
  std::uint64_t work_ = 0;
};

}  // namespace lieq::grammar
