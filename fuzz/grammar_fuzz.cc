/// Grammars and schemas from any bytes: errors are one line, and where the mask leads, the text goes on to an end.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/base/json.h"
#include "lieq/grammar/matcher.h"

namespace {

using namespace lieq::grammar;

constexpr TokenId kEnd = 256;

std::shared_ptr<const Vocabulary> vocabulary() {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  bytes.emplace_back();
  for (const char* more : {"ab", "\": ", "\"}", "},", "[[", "\\u00", "aaaaaaaa"}) bytes.emplace_back(more);
  return std::make_shared<const Vocabulary>(std::move(bytes), std::vector<TokenId>{kEnd});
}

void check_line(const std::string& line, std::string_view start) {
  LIEQ_CHECK(line.starts_with(start) && line.size() < 1000);
  LIEQ_CHECK(line.find_first_of("\n\r\x1b") == std::string::npos);
}

/// Follows the mask, choosing by `seed`.
void follow(const Grammar& grammar, std::uint32_t seed, bool is_json) {
  static const auto kTokens = vocabulary();
  Matcher matcher(std::make_shared<const Constraint>(grammar, kTokens));
  std::string text;
  for (int step = 0; step < 64 && !matcher.ended(); ++step) {
    const auto mask = matcher.mask();
    if (!mask) return check_line(mask.error().message, "grammar: ");
    LIEQ_CHECK((*mask)->count() > 0);  // all bytes are tokens, so no text is stuck
    LIEQ_CHECK((*mask)->allows(kEnd) == matcher.can_end());
    seed = seed * 1664525 + 1013904223;
    std::size_t left = (seed >> 8) % (*mask)->count();
    TokenId token = 0;
    while (!(*mask)->allows(token) || left-- > 0) ++token;
    if (token != kEnd) text += kTokens->bytes(token);
    const bool may_end = matcher.can_end();
    LIEQ_CHECK(matcher.accept(token));
    if (matcher.ended() && is_json) LIEQ_CHECK(lieq::Json::accept(text) && may_end);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 20000) return 0;
  const std::uint32_t seed = size > 0 ? data[size / 2] * 2654435761U : 1;
  const auto json = lieq::OrderedJson::parse(text, nullptr, false);
  if (!json.is_discarded()) {
    std::vector<std::string> warnings;
    const auto grammar = Grammar::from_json_schema(json, "fuzz", &warnings);
    for (const std::string& warning : warnings) check_line(warning, "fuzz: ");
    if (grammar)
      follow(*grammar, seed, true);
    else
      check_line(grammar.error().message, "fuzz: ");
  }
  const auto grammar = Grammar::from_gbnf(text);
  if (grammar)
    follow(*grammar, seed, false);
  else
    check_line(grammar.error().message, "grammar: ");
  return 0;
}
