#include "lieq/jinja/token_reader.h"

#include <algorithm>

#include <fmt/format.h>

namespace lieq::jinja {

const Token& TokenReader::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

Token TokenReader::take() {
  Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenReader::sees(TokenKind kind, std::string_view text) const {
  return peek().kind == kind && (text.empty() || peek().text == text);
}

bool TokenReader::take_name(std::string_view text) { return sees_name(text) && (take(), true); }
bool TokenReader::take_operator(std::string_view text) { return sees_operator(text) && (take(), true); }

Unexpected TokenReader::wrong(const std::string& what) const {
  return fail(ErrorCode::kInvalidFormat, fmt::format("line {}: {}", peek().line, what));
}

Unexpected TokenReader::expected(std::string_view what) const {
  return wrong(fmt::format("found {}, expected {}", describe(peek()), what));
}

Result<void> TokenReader::expect_operator(std::string_view text) {
  if (take_operator(text)) return {};
  return expected(fmt::format("'{}'", text));
}

Result<void> TokenReader::expect_name(std::string_view text) {
  if (take_name(text)) return {};
  return expected(fmt::format("'{}'", text));
}

Result<std::string> TokenReader::any_name(std::string_view what) {
  if (!sees(TokenKind::kName)) return expected(what);
  return take().text;
}

}  // namespace lieq::jinja
