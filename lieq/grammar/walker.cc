#include "lieq/grammar/walker.h"

#include <algorithm>
#include <map>

namespace lieq::grammar {
namespace {

std::uint64_t hash_of(const std::vector<Walker::Place>& places, bool bottom) {
  std::uint64_t hash = bottom ? 0x9E3779B97F4A7C15U : 0x2545F4914F6CDD1DU;
  for (const Walker::Place& place : places) {
    hash ^= (std::uint64_t{place.node} << 32) | place.context;
    hash *= 0xFF51AFD7ED558CCDU;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

Walker::Walker(const Automaton& automaton) : automaton_(&automaton) {
  contexts_.emplace_back();  // the bottom
  states_.emplace_back();    // kDead
}

Walker::State Walker::start() {
  pending_.push_back({automaton_->starts[automaton_->root], kBottom});
  pending_bottom_ = automaton_->matches_empty;
  return intern_pending();
}

Walker::State Walker::at(Node node) {
  pending_.push_back({node, kBottom});
  return intern_pending();
}

Walker::State Walker::behind(Context context) {
  const std::vector<Place> returns = contexts_[context];
  for (const Place& place : returns) pop(place.node, place.context);
  return intern_pending();
}

void Walker::spend(std::uint64_t work) {
  work_ += work;
  overflowed_ = overflowed_ || work_ > kMaxWork;
}

void Walker::pop(Node node, Context context) {
  stack_.push_back({node, context});
  while (!stack_.empty()) {
    const Place place = stack_.back();
    stack_.pop_back();
    if (!add_pending(place)) continue;
    spend(1);
    if (!automaton_->nodes[place.node].ends) continue;
    if (place.context == kBottom) {
      pending_bottom_ = true;
    } else {
      const std::vector<Place>& returns = contexts_[place.context];
      stack_.insert(stack_.end(), returns.begin(), returns.end());
    }
    if (pending_.size() > kMaxPlaces || stack_.size() > 16 * kMaxPlaces) overflowed_ = true;
    if (overflowed_) stack_.clear();
  }
}

bool Walker::add_pending(Place place) {
  constexpr std::size_t kFew = 16;
  const auto key = [](Place p) { return (std::uint64_t{p.node} << 32) | p.context; };
  if (pending_.size() < kFew) {
    if (std::find(pending_.begin(), pending_.end(), place) != pending_.end()) return false;
  } else {
    if (pending_.size() == kFew) {
      for (const Place& other : pending_) pending_set_.insert(key(other));
    }
    if (!pending_set_.insert(key(place)).second) return false;
  }
  pending_.push_back(place);
  return true;
}

Walker::State Walker::intern_pending() {
  std::vector<Place> places;
  places.reserve(pending_.size());
  for (const Place& place : pending_) {
    if (automaton_->goes_on(place.node)) places.push_back(place);
  }
  std::sort(places.begin(), places.end());
  const bool bottom = pending_bottom_;
  pending_.clear();
  pending_set_.clear();
  pending_bottom_ = false;
  if (overflowed_ || (places.empty() && !bottom)) return kDead;
  const std::uint64_t hash = hash_of(places, bottom);
  const auto [begin, end] = state_index_.equal_range(hash);
  for (auto found = begin; found != end; ++found) {
    const StateData& other = states_[found->second];
    if (other.bottom == bottom && other.places == places) return found->second;
  }
  const auto state = static_cast<State>(states_.size());
  states_.emplace_back();
  states_.back().places = std::move(places);
  states_.back().bottom = bottom;
  state_index_.emplace(hash, state);
  return state;
}

Walker::Context Walker::intern_context(std::vector<Place> returns) {
  std::sort(returns.begin(), returns.end());
  returns.erase(std::unique(returns.begin(), returns.end()), returns.end());
  const std::uint64_t hash = hash_of(returns, true);
  const auto [begin, end] = context_index_.equal_range(hash);
  for (auto found = begin; found != end; ++found) {
    if (contexts_[found->second] == returns) return found->second;
  }
  const auto context = static_cast<Context>(contexts_.size());
  contexts_.push_back(std::move(returns));
  context_index_.emplace(hash, context);
  return context;
}

void Walker::expand(State state) {
  std::vector<Place> scanned = states_[state].places;
  // By rank, so that all calls of a rule are known when its context is made.
  std::map<std::uint32_t, std::pair<RuleId, std::vector<Place>>> calls;
  const auto add_calls = [&](const Place& place) {
    for (const CallEdge& call : automaton_->nodes[place.node].calls) {
      auto& [rule, returns] = calls[automaton_->call_ranks[call.rule]];
      rule = call.rule;
      const Automaton::NodeMoves& back = automaton_->nodes[call.back];
      if (back.ends && !automaton_->goes_on(call.back) && place.context != kBottom) {
        // A call at the very end: straight back to the caller's callers, lest lists by recursion pile up contexts.
        const std::vector<Place>& behind = contexts_[place.context];
        returns.insert(returns.end(), behind.begin(), behind.end());
        spend(behind.size());
      } else {
        returns.push_back({call.back, place.context});
      }
      spend(1);
    }
  };
  for (const Place& place : states_[state].places) add_calls(place);
  while (!calls.empty() && !overflowed_) {
    const auto [rule, returns] = std::move(calls.begin()->second);
    calls.erase(calls.begin());
    const Place start{automaton_->starts[rule], intern_context(returns)};
    scanned.push_back(start);
    add_calls(start);
    if (scanned.size() > kMaxPlaces) overflowed_ = true;
  }
  StateData& data = states_[state];
  data.scanned = std::move(scanned);
  data.next.assign(256, kUnknown);
}

Walker::State Walker::step(State state, std::uint8_t byte) {
  if (state == kDead || states_[state].places.empty()) return kDead;
  if (states_[state].next.empty()) expand(state);
  const State known = states_[state].next[byte];
  if (known != kUnknown) return known;
  for (const Place& place : states_[state].scanned) {
    const auto& edges = automaton_->nodes[place.node].bytes;
    spend(1 + edges.size());
    for (const ByteEdge& edge : edges) {
      if (edge.first <= byte && byte <= edge.last) pop(edge.target, place.context);
    }
  }
  const State next = intern_pending();
  if (!overflowed_) states_[state].next[byte] = next;
  return next;
}

std::pair<Walker, Walker::State> Walker::keeping(State state) const {
  // A context only names older ones, so one pass from the newest to the oldest marks all that are needed.
  std::vector<Context> renumbered(contexts_.size(), kBottom);
  std::vector<bool> needed(contexts_.size());
  for (const Place& place : states_[state].places) needed[place.context] = true;
  for (std::size_t c = contexts_.size(); c-- > 1;) {
    if (!needed[c]) continue;
    for (const Place& place : contexts_[c]) needed[place.context] = true;
  }
  Walker kept(*automaton_);
  const auto moved = [&](std::vector<Place> places) {
    for (Place& place : places) place.context = renumbered[place.context];
    return places;
  };
  for (std::size_t c = 1; c < contexts_.size(); ++c) {
    if (needed[c]) renumbered[c] = kept.intern_context(moved(contexts_[c]));
  }
  kept.pending_ = moved(states_[state].places);
  kept.pending_bottom_ = states_[state].bottom;
  const State same = kept.intern_pending();
  kept.work_ = work_;
  kept.overflowed_ = overflowed_;
  return {std::move(kept), same};
}

}  // namespace lieq::grammar
