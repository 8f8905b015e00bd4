#include "lieq/grammar/matcher.h"

#include <array>
#include <bit>
#include <limits>
#include <mutex>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "lieq/grammar/walker.h"

namespace lieq::grammar {
namespace {

constexpr std::size_t kMaxCacheBytes = 64 << 20;  ///< of masks, for one grammar
constexpr std::size_t kMaxStates = 4096;          ///< that a walker makes before it forgets; one costs about 1.2 kB

/// Goes through the trie nodes [begin, end), which lie below depth `depth`, where the text is in `start`.
/// visit(node index, state) for each that the grammar allows.
template <class Visit>
void walk_trie(const Vocabulary& vocabulary, Walker& walker, std::uint32_t begin, std::uint32_t end, std::size_t depth,
               Walker::State start, const Visit& visit) {
  const auto trie = vocabulary.trie();
  thread_local std::array<Walker::State, Vocabulary::kMaxTokenBytes + 1> states;
  states[depth] = start;
  for (std::uint32_t i = begin; i < end;) {
    const Vocabulary::TrieNode& node = trie[i];
    const Walker::State state = walker.step(states[node.depth - 1U], node.byte);
    if (state == Walker::kDead) {
      i = node.last;
      continue;
    }
    states[node.depth] = state;
    visit(i, state);
    i = walker.can_go_on(state) ? i + 1 : node.last;
  }
}

}  // namespace

void TokenMask::unite(const TokenMask& other) {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

std::size_t TokenMask::count() const {
  std::size_t sum = 0;
  for (const std::uint64_t word : words_) sum += static_cast<std::size_t>(std::popcount(word));
  return sum;
}

void TokenMask::apply(std::span<float> logits) const {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (i >= size_ || ((words_[i / 64] >> (i % 64)) & 1) == 0) logits[i] = -std::numeric_limits<float>::infinity();
  }
}

/// What is known of a node without knowing where its rule goes back to: tokens that stay in the rule (and in rules it
/// calls), and places in the trie where the rule may end in the middle of a token.
struct Constraint::Local {
  std::vector<TokenId> few;         ///< the tokens, when they are few
  TokenMask many;                   ///< otherwise
  std::vector<std::uint32_t> ends;  ///< trie nodes, with nodes below
  bool overflowed = false;
};

struct Constraint::Cache {
  explicit Cache(const Automaton& automaton) : walker(automaton) {}
  std::mutex mutex;
  Walker walker;
  std::unordered_map<std::uint32_t, std::shared_ptr<const Local>> locals;
  std::size_t bytes = 0;
};

Constraint::Constraint(Grammar grammar, std::shared_ptr<const Vocabulary> vocabulary)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      cache_(std::make_unique<Cache>(grammar_.automaton())) {}

Constraint::~Constraint() = default;

std::shared_ptr<const Constraint::Local> Constraint::local(std::uint32_t node, std::uint64_t& work) const {
  const std::lock_guard lock(cache_->mutex);
  const auto found = cache_->locals.find(node);
  if (found != cache_->locals.end()) return found->second;

  if (cache_->walker.size() > kMaxStates) cache_->walker = Walker(grammar_.automaton());
  Walker& walker = cache_->walker;
  walker.refresh(work);
  auto local = std::make_shared<Local>();
  const auto trie = vocabulary_->trie();
  const auto tokens = vocabulary_->tokens();
  const auto all = static_cast<std::uint32_t>(trie.size());
  walk_trie(*vocabulary_, walker, 0, all, 0, walker.at(node), [&](std::uint32_t i, Walker::State state) {
    const auto here = tokens.subspan(trie[i].first_token, trie[i].token_count);
    local->few.insert(local->few.end(), here.begin(), here.end());
    if (walker.reached_bottom(state) && trie[i].last > i + 1) local->ends.push_back(i);
  });
  work = walker.spent();
  local->overflowed = walker.overflowed();
  if (local->overflowed) {
    cache_->walker = Walker(grammar_.automaton());
    return local;  // not kept: it depends on what was spent before
  }
  if (local->few.size() > vocabulary_->size() / 32) {
    local->many = TokenMask(vocabulary_->size());
    for (const TokenId token : local->few) local->many.allow(token);
    local->few = {};
  }
  local->few.shrink_to_fit();
  const std::size_t bytes = 200 + 4 * (local->few.size() + local->ends.size()) + 8 * local->many.words().size();
  if (cache_->bytes + bytes > kMaxCacheBytes) {
    cache_->locals.clear();
    cache_->bytes = 0;
  }
  cache_->bytes += bytes;
  return cache_->locals.emplace(node, std::move(local)).first->second;
}

Matcher::Matcher(std::shared_ptr<const Constraint> constraint)
    : constraint_(std::move(constraint)),
      walker_(std::make_unique<Walker>(constraint_->grammar().automaton())),
      state_(walker_->start()),
      forget_at_(kMaxStates),
      mask_(constraint_->vocabulary().size()) {}

Matcher::Matcher(const Matcher& other)
    : constraint_(other.constraint_),
      forget_at_(other.forget_at_),
      ended_(other.ended_),
      mask_is_current_(other.mask_is_current_),
      mask_(other.mask_) {
  auto [walker, state] = other.walker_->keeping(other.state_);
  walker_ = std::make_unique<Walker>(std::move(walker));
  state_ = state;
}

Matcher::Matcher(Matcher&&) noexcept = default;
Matcher& Matcher::operator=(Matcher&&) noexcept = default;
Matcher::~Matcher() = default;

bool Matcher::can_end() const { return walker_->reached_bottom(state_); }
bool Matcher::must_end() const { return can_end() && !walker_->can_go_on(state_); }

Result<const TokenMask*> Matcher::mask() {
  if (mask_is_current_) return &mask_;
  walker_->refresh();
  mask_.clear();
  if (!ended_) {
    const Vocabulary& vocabulary = constraint_->vocabulary();
    const auto trie = vocabulary.trie();
    const auto tokens = vocabulary.tokens();
    const auto places = walker_->places(state_);
    for (const Walker::Place& place : std::vector<Walker::Place>(places.begin(), places.end())) {
      std::uint64_t work = walker_->spent();
      const auto local = constraint_->local(place.node, work);
      walker_->refresh(work);
      if (local->overflowed || walker_->overflowed()) {
        return fail(ErrorCode::kUnsupported, "grammar: too ambiguous here to find the tokens that may come next");
      }
      for (const TokenId token : local->few) mask_.allow(token);
      if (local->many.words().size() > 0) mask_.unite(local->many);
      if (place.context == Walker::kBottom) continue;  // nothing comes behind the whole text
      const Walker::State behind = walker_->behind(place.context);
      if (!walker_->can_go_on(behind)) continue;
      for (const std::uint32_t end : local->ends) {
        walk_trie(vocabulary, *walker_, end + 1, trie[end].last, trie[end].depth, behind,
                  [&](std::uint32_t i, Walker::State) {
                    for (const TokenId token : tokens.subspan(trie[i].first_token, trie[i].token_count)) {
                      mask_.allow(token);
                    }
                  });
      }
    }
    if (can_end()) {
      for (const TokenId token : vocabulary.end_tokens()) mask_.allow(token);
    }
  }
  mask_is_current_ = true;
  return &mask_;
}

bool Matcher::accept(TokenId token) {
  const Vocabulary& vocabulary = constraint_->vocabulary();
  if (ended_ || token < 0 || static_cast<std::size_t>(token) >= vocabulary.size()) return false;
  if (vocabulary.is_end(token)) {
    if (!can_end()) return false;
    ended_ = true;
    mask_is_current_ = false;
    return true;
  }
  const std::string& bytes = vocabulary.bytes(token);
  if (bytes.empty() || bytes.size() > Vocabulary::kMaxTokenBytes) return false;
  if (walker_->size() > forget_at_) {
    std::tie(*walker_, state_) = walker_->keeping(state_);
    forget_at_ = kMaxStates + 2 * walker_->size();
  }
  walker_->refresh();
  Walker::State state = state_;
  for (const char byte : bytes) state = walker_->step(state, static_cast<std::uint8_t>(byte));
  if (state == Walker::kDead) return false;
  state_ = state;
  mask_is_current_ = false;
  return true;
}

}  // namespace lieq::grammar
