#include "lieq/text/vocabulary.h"

#include <algorithm>

#include "lieq/base/message.h"

namespace lieq::text {

Result<Vocabulary> Vocabulary::build(std::vector<Entry> entries, const std::string& place) {
  std::int64_t largest = -1;
  for (const Entry& entry : entries) {
    if (entry.id < 0 || entry.id > kMaxId)
      return fail(ErrorCode::kInvalidFormat, place + ": token " + in_quotes(entry.text) + " has id " +
                                                 std::to_string(entry.id) + ", expected 0 to " +
                                                 std::to_string(kMaxId));
    largest = std::max(largest, entry.id);
  }
  Vocabulary vocabulary;
  vocabulary.tokens_.resize(static_cast<std::size_t>(largest + 1));
  vocabulary.present_.resize(vocabulary.tokens_.size());
  vocabulary.ids_.reserve(entries.size());
  for (Entry& entry : entries) {
    const auto at = static_cast<std::size_t>(entry.id);
    if (vocabulary.present_[at])
      return fail(ErrorCode::kInvalidFormat, place + ": token " + in_quotes(entry.text) + " has id " +
                                                 std::to_string(entry.id) + ", which token " +
                                                 in_quotes(vocabulary.tokens_[at]) + " has already");
    vocabulary.present_[at] = true;
    vocabulary.tokens_[at] = std::move(entry.text);
    const auto [there, fresh] = vocabulary.ids_.emplace(vocabulary.tokens_[at], static_cast<TokenId>(at));
    if (!fresh)
      return fail(ErrorCode::kInvalidFormat, place + ": token " + in_quotes(vocabulary.tokens_[at]) +
                                                 " has the ids " + std::to_string(there->second) + " and " +
                                                 std::to_string(at) + ", expected one");
  }
  return vocabulary;
}

bool Vocabulary::contains(TokenId id) const {
  return id >= 0 && static_cast<std::size_t>(id) < tokens_.size() && present_[static_cast<std::size_t>(id)];
}

std::optional<TokenId> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace lieq::text
