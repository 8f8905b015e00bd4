#include "lieq/pipeline/builtin_text.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace lieq::pipeline {

namespace {

using text::TokenId;

constexpr std::string_view kBetween = "\n%%\n", kRole = "@";
constexpr std::size_t kChatsInARow = 4;

std::vector<std::string> texts_of(std::string_view file) {
  std::vector<std::string> texts;
  if (file.ends_with('\n')) file.remove_suffix(1);
  for (std::size_t at = 0; at <= file.size();) {
    const std::size_t end = std::min(file.find(kBetween, at), file.size());
    texts.emplace_back(file.substr(at, end - at));
    at = end + kBetween.size();
  }
  return texts;
}

/// Turns of "@ROLE", a line end, and what was said.
OrderedJson messages_of(std::string_view text) {
  OrderedJson messages = OrderedJson::array();
  while (text.starts_with(kRole)) {
    const std::size_t line = text.find('\n');
    const std::string role(text.substr(kRole.size(), line - kRole.size()));
    text.remove_prefix(line + 1);
    std::size_t end = text.size();
    for (const std::string_view next : {"\n@user\n", "\n@assistant\n"}) end = std::min(end, text.find(next));
    messages.push_back({{"role", role}, {"content", std::string(text.substr(0, end))}});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return messages;
}

std::string plain(const OrderedJson& messages, bool opened) {
  std::string text;
  for (const OrderedJson& message : messages) {
    const bool answers = message["role"] == "assistant";
    text += fmt::format("{}{}\n\n", answers ? "Answer: " : "Question: ", message["content"].get<std::string>());
  }
  return opened ? text + "Answer:" : text;
}

/// Units of one kind, and how much of it was taken.
struct Pile {
  std::vector<std::vector<TokenId>> units;
  std::size_t total = 0, taken = 0, next = 0;

  void add(std::vector<TokenId> unit) {
    total += unit.size();
    units.push_back(std::move(unit));
  }
  [[nodiscard]] double share() const {
    return next == units.size() ? 2 : static_cast<double>(taken) / static_cast<double>(total);
  }
};

}  // namespace

Rendering::Rendering(const eval::Bundle& bundle) : bundle_(bundle) {
  if (auto found = text::ChatTemplate::load(bundle.model.path)) template_ = std::move(*found);
}

std::vector<TokenId> Rendering::text(const std::string& text) const {
  return bundle_.tokenizer.encode(text, text::SpecialTokens::kAdd);
}

std::vector<TokenId> Rendering::chat(const OrderedJson& messages, bool opened) const {
  if (!template_) return text(plain(messages, opened));
  text::ChatRequest request;
  request.messages = messages;
  request.add_generation_prompt = opened;
  request.arguments["date_string"] = "26 Jul 2024";
  const auto prompt = template_->render(request);
  return prompt ? bundle_.tokenizer.encode(*prompt, text::SpecialTokens::kNone) : std::vector<TokenId>();
}

std::vector<TokenId> builtin_tokens(const eval::Bundle& bundle) {
  const Rendering rendering(bundle);
  std::array<Pile, 3> piles;
  for (const std::string& text : texts_of(kBuiltinProse)) piles[0].add(rendering.text(text + "\n\n"));
  for (const std::string& text : texts_of(kBuiltinCode)) piles[1].add(rendering.text(text + "\n\n"));
  std::vector<TokenId> row;
  const std::vector<std::string> chats = texts_of(kBuiltinChat);
  for (std::size_t i = 0; i < chats.size(); ++i) {
    const std::vector<TokenId> chat = rendering.chat(messages_of(chats[i]), false);
    row.insert(row.end(), chat.begin(), chat.end());
    if ((i + 1) % kChatsInARow == 0 || i + 1 == chats.size()) piles[2].add(std::exchange(row, {}));
  }
  std::vector<TokenId> all;
  while (true) {
    Pile& pile = *std::ranges::min_element(piles, {}, &Pile::share);
    if (pile.next == pile.units.size()) return all;
    const std::vector<TokenId>& unit = pile.units[pile.next++];
    pile.taken += unit.size();
    all.insert(all.end(), unit.begin(), unit.end());
  }
}

}  // namespace lieq::pipeline
