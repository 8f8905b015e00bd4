/// Tokenizers from any bytes: errors are one line, and what loads keeps the promises of text/tokenizer.h.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lieq/base/check.h"
#include "lieq/base/utf8.h"
#include "lieq/text/tokenizer.h"

namespace {

using lieq::text::SpecialText;
using lieq::text::SpecialTokens;
using lieq::text::Tokenizer;

void check_text(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, SpecialTokens::kNone);
  for (const auto id : ids) LIEQ_CHECK(id >= 0 && static_cast<std::size_t>(id) < tokenizer.vocab_size());
  LIEQ_CHECK(ids == tokenizer.encode(text, SpecialTokens::kNone));
  LIEQ_CHECK(ids == tokenizer.encode(lieq::repair_utf8(text).text, SpecialTokens::kNone));
  LIEQ_CHECK(tokenizer.encode(text, SpecialTokens::kAdd).size() >= ids.size());
  LIEQ_CHECK(lieq::is_utf8(tokenizer.decode(ids, SpecialText::kKeep)));
  LIEQ_CHECK(lieq::is_utf8(tokenizer.decode(ids, SpecialText::kSkip)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = Tokenizer::from_json_text(text, "fuzz");
  if (!tokenizer) {
    const std::string& message = tokenizer.error().message;
    LIEQ_CHECK(message.starts_with("fuzz: ") && message.size() < 500);
    LIEQ_CHECK(message.find_first_of("\n\r\x1b") == std::string::npos);
    return 0;
  }
  for (const std::string_view one : {"", "ab ab<|end|>", "a  1 \u00e9\u0301\n\n'S", "\xFF\xC3", "A\u2581<0x41>"})
    check_text(*tokenizer, one);
  check_text(*tokenizer, text.substr(0, 300));
  return 0;
}
