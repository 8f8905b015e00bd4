#include "lieq/text/stream_decoder.h"

#include <algorithm>
#include <utility>

#include "lieq/base/utf8.h"
#include "lieq/text/tokenizer_impl.h"

namespace lieq::text {
namespace {

/// How many bytes at the end are a character that lacks bytes.
std::size_t unfinished(std::string_view bytes) {
  constexpr std::size_t kLongest = 4;
  for (std::size_t count = 1; count < kLongest && count <= bytes.size(); ++count) {
    const auto lead = static_cast<unsigned char>(bytes[bytes.size() - count]);
    if (lead < 0x80) return 0;
    if (lead < 0xC0) continue;
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const CodePoint point = decode_utf8(bytes, bytes.size() - count);
    return !point.valid && point.bytes == count && count < length && lead >= 0xC2 && lead <= 0xF4 ? count : 0;
  }
  return 0;
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, SpecialText special)
    : tokenizer_(&tokenizer), special_(special) {
  using Kind = DecoderStep::Kind;
  const Decoder& decoder = tokenizer.impl().decoder;
  per_token_ = decoder;
  by_tokens_ = std::ranges::find(decoder.steps, Kind::kByteLevel, &DecoderStep::kind) == decoder.steps.end();
  const auto fuse = std::ranges::find(per_token_.steps, Kind::kFuse, &DecoderStep::kind);
  if (!by_tokens_ || fuse == per_token_.steps.end()) return;
  // After the fuse steps see the whole text; one that strips its start can be done here, others need all of it.
  const auto after = fuse + 1;
  by_tokens_ = after == per_token_.steps.end() ||
               (after + 1 == per_token_.steps.end() && after->kind == Kind::kStrip && after->stop == 0);
  if (after != per_token_.steps.end()) lead_ = *after;
  if (by_tokens_) per_token_.steps.erase(after, per_token_.steps.end());
}

std::string StreamDecoder::add(TokenId id) {
  const Tokenizer::Impl& impl = tokenizer_->impl();
  if (!impl.decodes(id, special_)) return {};
  if (!impl.token_bytes.empty()) {
    bytes_ += impl.token_bytes[static_cast<std::size_t>(id)];
  } else {
    tokens_.push_back(impl.text_of(id));
  }
  return settle(false);
}

std::string StreamDecoder::finish() { return settle(true); }

std::string StreamDecoder::settle(bool last) {
  if (!tokenizer_->impl().token_bytes.empty()) {
    const std::size_t whole = bytes_.size() - (last ? 0 : unfinished(bytes_));
    std::string text = repair_utf8(std::string_view(bytes_).substr(0, whole)).text;
    bytes_.erase(0, whole);
    return text;
  }
  if (tokens_.empty()) return {};
  // A run of byte tokens is text or not as a whole.
  if (!last && (!by_tokens_ || byte_token(tokens_.back()))) return {};
  const bool opens = std::exchange(first_, false);
  std::string text = per_token_.apply(std::exchange(tokens_, {}));
  for (DecoderStep& step : per_token_.steps)
    if (step.kind == DecoderStep::Kind::kMetaspace && by_tokens_) step.start = 0;  // no first token is to come
  if (!opens) text.insert(0, per_token_.joint);
  return by_tokens_ ? without_lead(std::move(text)) : text;
}

std::string StreamDecoder::without_lead(std::string text) {
  std::string mark;
  append_utf8(mark, lead_.strip);
  while (lead_.start > 0 && text.starts_with(mark)) {
    text.erase(0, mark.size());
    --lead_.start;
  }
  if (!text.empty()) lead_.start = 0;
  return text;
}

}  // namespace lieq::text
