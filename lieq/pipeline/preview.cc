#include "lieq/pipeline/preview.h"

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lieq::pipeline {
namespace {

using text::SpecialText;
using text::SpecialTokens;
using text::TokenId;

constexpr std::size_t kLongestMarker = 32;  // bytes between the brackets

/// What the tokenizer puts before any text.
std::optional<TokenId> bos_of(const text::Tokenizer& tokenizer) {
  const std::vector<TokenId> bare = tokenizer.encode("a", SpecialTokens::kNone);
  const std::vector<TokenId> full = tokenizer.encode("a", SpecialTokens::kAdd);
  if (full.size() <= bare.size() || (!bare.empty() && full.front() == bare.front())) return std::nullopt;
  return full.front();
}

/// Pieces of `text` from `open` to the next `close`, of letters, digits, blanks and "_/|-" only.
void find_markers(std::string_view text, std::string_view open, std::string_view close, std::set<std::string>& found) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' ||
           c == '-';
  };
  for (std::size_t at = text.find(open); at != std::string_view::npos; at = text.find(open, at + 1)) {
    const std::size_t begin = at + open.size(), end = text.find(close, begin);
    if (end == std::string_view::npos) return;
    if (end == begin || end - begin > kLongestMarker) continue;
    const std::string_view inner = text.substr(begin, end - begin);
    if (std::ranges::all_of(inner, plain)) found.insert(std::string(text.substr(at, end + close.size() - at)));
  }
}

std::vector<std::string> cut_markers(const std::string& text, const text::Tokenizer& tokenizer) {
  std::set<std::string> found;
  find_markers(text, "<|", "|>", found);
  for (const char* marker : {"[INST]", "[/INST]", "<start_of_turn>", "<end_of_turn>", "<<SYS>>", "<tool_call>"})
    if (text.find(marker) != std::string::npos) found.insert(marker);
  std::vector<std::string> cut;
  for (const std::string& marker : found)
    if (tokenizer.encode(marker, SpecialTokens::kNone).size() != 1) cut.push_back(marker);
  return cut;
}

}  // namespace

CalibrationFacts describe(const Calibration& calibration, const eval::Bundle& bundle, std::size_t windows) {
  const std::span<const TokenId> ids = calibration.ids;
  const text::Tokenizer& tokenizer = bundle.tokenizer;
  CalibrationFacts facts;
  facts.source = calibration.source;
  facts.parts = calibration.parts;
  facts.window = calibration.window;
  facts.windows = ids.size() / calibration.window;
  facts.held_out_windows = calibration.held_out.size() / calibration.window;
  facts.tokens = ids.size();
  facts.distinct_tokens = std::set<TokenId>(ids.begin(), ids.end()).size();
  facts.vocabulary_share =
      static_cast<double>(facts.distinct_tokens) / static_cast<double>(bundle.model.config.vocab_size);
  const std::optional<TokenId> bos = bos_of(tokenizer);
  if (bos) facts.bos = tokenizer.decode(std::span(&*bos, 1), SpecialText::kKeep);
  std::string all;
  for (std::size_t w = 0; w < facts.windows; ++w) {
    const std::span<const TokenId> window = ids.subspan(w * calibration.window, calibration.window);
    const std::string text = tokenizer.decode(window, SpecialText::kKeep);
    if (bos && window.front() == *bos) ++facts.windows_with_bos;
    for (std::size_t i = 1; bos && i < window.size(); ++i)
      if (window[i - 1] == *bos && window[i] == *bos) ++facts.doubled_bos;
    if (w < windows) facts.first_windows.push_back(text);
    all += text;
    all += '\n';
  }
  facts.bytes_per_token = static_cast<double>(all.size() - facts.windows) / static_cast<double>(ids.size());
  facts.cut_markers = cut_markers(all, tokenizer);
  return facts;
}

std::vector<std::string> warnings_of(const CalibrationFacts& facts) {
  std::vector<std::string> warnings;
  if (facts.doubled_bos > 0)
    warnings.push_back(fmt::format("{}: {} stands twice in a row in {} places: the text holds what the tokenizer adds",
                                   facts.source, facts.bos, facts.doubled_bos));
  if (!facts.bos.empty() && facts.windows_with_bos == 0)
    warnings.push_back(
        fmt::format("{}: no window begins with {}, which the tokenizer puts before a text", facts.source, facts.bos));
  if (!facts.cut_markers.empty())
    warnings.push_back(
        fmt::format("{}: {} stand in the text but are no single tokens of this model: was it written for "
                    "another chat template?",
                    facts.source, fmt::join(facts.cut_markers, ", ")));
  return warnings;
}

Json to_json(const CalibrationFacts& facts) {
  Json sources = Json::array();
  for (const CalibrationPart& part : facts.parts)
    sources.push_back({{"source", part.source},
                       {"windows", part.windows},
                       {"held_out_windows", part.held_out_windows},
                       {"hash", part.hash}});
  return {{"source", facts.source},
          {"sources", std::move(sources)},
          {"window", facts.window},
          {"windows", facts.windows},
          {"held_out_windows", facts.held_out_windows},
          {"tokens", facts.tokens},
          {"bytes_per_token", facts.bytes_per_token},
          {"distinct_tokens", facts.distinct_tokens},
          {"vocabulary_share", facts.vocabulary_share},
          {"bos", facts.bos},
          {"windows_with_bos", facts.windows_with_bos},
          {"doubled_bos", facts.doubled_bos},
          {"cut_markers", facts.cut_markers}};
}

}  // namespace lieq::pipeline
