#include "lieq/base/utf8.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace lieq {
namespace {

/// What a lead byte asks for (Unicode 15.0, table 3-7): how many bytes follow and the range of the first of them.
struct Lead {
  std::uint8_t following = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
};

constexpr Lead lead_of(std::uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

std::uint8_t byte_at(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

/// The first place from `at` on whose byte is not ASCII.
std::size_t skip_ascii(std::string_view text, std::size_t at) {
  for (std::uint64_t word = 0; at + 8 <= text.size(); at += 8) {
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080ULL) != 0) break;
  }
  while (at < text.size() && byte_at(text, at) < 0x80) ++at;
  return at;
}

}  // namespace

CodePoint decode_utf8(std::string_view text, std::size_t at) {
  const std::uint8_t first = byte_at(text, at);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = lead_of(first);
  if (lead.following == 0) return {};
  char32_t value = first & (0x3FU >> lead.following);
  for (std::size_t k = 1; k <= lead.following; ++k) {
    const std::uint8_t next = at + k < text.size() ? byte_at(text, at + k) : std::uint8_t{0};
    const bool good = k == 1 ? next >= lead.low && next <= lead.high : (next & 0xC0) == 0x80;
    if (!good) return {0xFFFD, k, false};
    value = value << 6 | (next & 0x3FU);
  }
  return {value, lead.following + std::size_t{1}, true};
}

void append_utf8(std::string& text, char32_t value) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); };
  if (value < 0x80) return put(value);
  if (value < 0x800) {
    put(0xC0 | value >> 6);
  } else {
    if (value < 0x10000) {
      put(0xE0 | value >> 12);
    } else {
      put(0xF0 | value >> 18);
      put(0x80 | (value >> 12 & 0x3F));
    }
    put(0x80 | (value >> 6 & 0x3F));
  }
  put(0x80 | (value & 0x3F));
}

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = skip_ascii(bytes, 0); at < bytes.size(); at = skip_ascii(bytes, at)) {
    const CodePoint point = decode_utf8(bytes, at);
    if (!point.valid) return false;
    at += point.bytes;
  }
  return true;
}

RepairedText repair_utf8(std::string_view bytes) {
  RepairedText repaired;
  repaired.text.reserve(bytes.size());
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t plain = skip_ascii(bytes, at);
    repaired.text.append(bytes.substr(at, plain - at));
    at = plain;
    if (at == bytes.size()) break;
    const CodePoint point = decode_utf8(bytes, at);
    append_utf8(repaired.text, point.value);
    if (!point.valid) ++repaired.replaced;
    at += point.bytes;
  }
  return repaired;
}

}  // namespace lieq
