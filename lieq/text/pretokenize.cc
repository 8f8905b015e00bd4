#include "lieq/text/pretokenize.h"

#include <algorithm>
#include <utility>

#include "lieq/base/utf8.h"
#include "lieq/text/normalize.h"
#include "lieq/text/unicode.h"

namespace lieq::text {
namespace {

struct Char {
  CharClass cls;
  char32_t value;
  std::size_t end;
};

Char read(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 128) return {kAsciiClass[byte], byte, at + 1};
  const CodePoint point = decode_utf8(text, at);
  return {char_class(point.value), point.value, at + point.bytes};
}

bool stands(std::string_view text, std::size_t at, CharClass cls) {
  return at < text.size() && read(text, at).cls == cls;
}

/// The end of the run of `cls` that starts at `at`, which may be empty.
std::size_t skip(std::string_view text, std::size_t at, CharClass cls) {
  while (at < text.size()) {
    const Char c = read(text, at);
    if (c.cls != cls) break;
    at = c.end;
  }
  return at;
}

bool is_newline(char32_t value) { return value == '\r' || value == '\n'; }

/// The end of 's, 't, 're, 've, 'm, 'll or 'd whose apostrophe stands before `at`; `at` when there is none.
/// With `fold` in either case; U+017F, the long s, then counts as an s.
std::size_t contraction(std::string_view text, std::size_t at, bool fold) {
  if (at == text.size()) return at;
  const auto letter = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at), second = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 1;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
    return at + 2;
  return fold && text.substr(at, 2) == "\u017F" ? at + 2 : at;
}

/// \s+(?!\S)|\s+ : the blanks up to the last one, which belongs to what follows, or all when nothing follows.
/// With `newlines` first \s*[\r\n]+ : up to and with the last line end.
std::size_t blanks(std::string_view text, std::size_t begin, bool newlines) {
  std::size_t end = begin, last = begin, after_newline = 0;
  while (end < text.size()) {
    const Char c = read(text, end);
    if (c.cls != CharClass::kSpace) break;
    last = end;
    end = c.end;
    if (is_newline(c.value)) after_newline = end;
  }
  if (newlines && after_newline != 0) return after_newline;
  return end == text.size() || last == begin ? end : last;
}

class Gpt2Splitter final : public Splitter {
 public:
  Piece next(std::string_view text, std::size_t begin) const override {
    const Char first = read(text, begin);
    if (first.value == '\'') {
      const std::size_t end = contraction(text, first.end, false);
      if (end != first.end) return {end};
    }
    if (first.cls != CharClass::kSpace) return {skip(text, first.end, first.cls)};
    if (first.value == ' ' && first.end < text.size()) {
      const Char second = read(text, first.end);
      if (second.cls != CharClass::kSpace) return {skip(text, second.end, second.cls)};
    }
    return {blanks(text, begin, false)};
  }
};

/// Llama 3 and Qwen2, which differ in how many digits make a piece.
class Llama3Splitter final : public Splitter {
 public:
  explicit Llama3Splitter(std::size_t max_digits) : max_digits_(max_digits) {}

  Piece next(std::string_view text, std::size_t begin) const override {
    const Char first = read(text, begin);
    if (first.cls == CharClass::kLetter) return {skip(text, first.end, CharClass::kLetter)};
    if (first.cls == CharClass::kNumber) return {numbers(text, first.end)};
    if (first.value == '\'') {
      const std::size_t end = contraction(text, first.end, true);
      if (end != first.end) return {end};
    }
    if (!is_newline(first.value) && stands(text, first.end, CharClass::kLetter))
      return {skip(text, first.end, CharClass::kLetter)};
    if (first.cls == CharClass::kOther || (first.value == ' ' && stands(text, first.end, CharClass::kOther))) {
      std::size_t end = skip(text, first.end, CharClass::kOther);
      while (end < text.size() && (text[end] == '\r' || text[end] == '\n')) ++end;
      return {end};
    }
    return {blanks(text, begin, true)};
  }

 private:
  std::size_t numbers(std::string_view text, std::size_t at) const {
    for (std::size_t n = 1; n < max_digits_ && stands(text, at, CharClass::kNumber); ++n) at = read(text, at).end;
    return at;
  }
  std::size_t max_digits_;
};

class DigitSplitter final : public Splitter {
 public:
  explicit DigitSplitter(bool individual) : individual_(individual) {}

  Piece next(std::string_view text, std::size_t begin) const override {
    const Step first = step(text, begin);
    if (first.numeric && individual_) return {first.end};
    std::size_t at = first.end;
    while (at < text.size()) {
      const Step following = step(text, at);
      if (following.numeric != first.numeric) break;
      at = following.end;
    }
    return {at};
  }

 private:
  struct Step {
    bool numeric;
    std::size_t end;
  };
  static Step step(std::string_view text, std::size_t at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 128) return {kAsciiClass[byte] == CharClass::kNumber, at + 1};
    const CodePoint point = decode_utf8(text, at);
    return {is_numeric(point.value), at + point.bytes};
  }
  bool individual_;
};

class TextFinder final : public Finder {
 public:
  explicit TextFinder(std::string text) : text_(std::move(text)) {}
  Match find(std::string_view text, std::size_t begin) const override {
    const std::size_t at = text.find(text_, begin);
    return at == std::string_view::npos ? Match{text.size(), text.size()} : Match{at, at + text_.size()};
  }

 private:
  std::string text_;
};

/// A text is a row of segments, matches and what is between; a policy says which of them make a piece.
class MatchSplitter final : public Splitter {
 public:
  MatchSplitter(std::unique_ptr<const Finder> finder, MatchPolicy policy)
      : finder_(std::move(finder)), policy_(policy) {}

  Piece next(std::string_view text, std::size_t begin) const override {
    using enum MatchPolicy::Behavior;
    Segment first = segment(text, begin);
    if (policy_.behavior == kRemoved) return {first.end, !first.match};
    if (policy_.behavior == kIsolated) return {first.end};
    // A match goes to the other kind beside it; with kContiguous, kinds stay together.
    const bool merges = policy_.behavior == kMergedWithPrevious ? !first.match : first.match;
    if (policy_.behavior != kContiguous && !merges) return {first.end};
    while (first.end < text.size()) {
      const Segment second = segment(text, first.end);
      if (policy_.behavior != kContiguous) return {second.match != first.match ? second.end : first.end};
      if (second.match != first.match) break;
      first.end = second.end;
    }
    return {first.end};
  }

 private:
  struct Segment {
    std::size_t end;
    bool match;
  };
  [[nodiscard]] Segment segment(std::string_view text, std::size_t begin) const {
    const Finder::Match found = finder_->find(text, begin);
    return found.begin > begin ? Segment{found.begin, policy_.invert} : Segment{found.end, !policy_.invert};
  }

  std::unique_ptr<const Finder> finder_;
  MatchPolicy policy_;
};

}  // namespace

std::unique_ptr<Splitter> known_splitter(std::string_view regex) {
  if (regex == kGpt2Pattern.regex) return std::make_unique<Gpt2Splitter>();
  if (regex == kLlama3Pattern.regex) return std::make_unique<Llama3Splitter>(3);
  if (regex == kQwen2Pattern.regex) return std::make_unique<Llama3Splitter>(1);
  return nullptr;
}

std::unique_ptr<Splitter> match_splitter(std::unique_ptr<const Finder> finder, MatchPolicy policy) {
  return std::make_unique<MatchSplitter>(std::move(finder), policy);
}

std::unique_ptr<Splitter> text_splitter(std::string text, MatchPolicy policy) {
  return match_splitter(std::make_unique<TextFinder>(std::move(text)), policy);
}

std::unique_ptr<Splitter> digit_splitter(bool individual) { return std::make_unique<DigitSplitter>(individual); }

void PreTokenizer::split(std::string_view text, bool opens, const std::function<void(std::string_view)>& sink) const {
  split_from(0, text, opens, sink);
}

std::string PreTokenizer::changed(std::string_view text, bool opens) const {
  if (!metaspace) return std::string(text.starts_with(' ') ? "" : " ").append(text);
  std::string out = replace_all(text, " ", metaspace->replacement);
  const bool wanted = metaspace->prepend == Metaspace::Prepend::kAlways ||
                      (metaspace->prepend == Metaspace::Prepend::kFirst && opens);
  if (wanted && !out.starts_with(metaspace->replacement)) out.insert(0, metaspace->replacement);
  return out;
}

void PreTokenizer::split_from(std::size_t step, std::string_view text, bool opens,
                              const std::function<void(std::string_view)>& sink) const {
  std::string other;
  if (changes_before(step)) {
    other = changed(text, opens);
    text = other;
  }
  if (step == steps.size()) return sink(text);
  for (std::size_t begin = 0; begin < text.size(); opens = false) {
    const Splitter::Piece piece = steps[step]->next(text, begin);
    const std::string_view part = text.substr(begin, piece.end - begin);
    begin = piece.end;
    if (!piece.keep) continue;
    if (step + 1 == steps.size() && !changes_before(steps.size())) {
      sink(part);  // spares a call for each word
    } else {
      split_from(step + 1, part, opens, sink);
    }
  }
}

}  // namespace lieq::text
