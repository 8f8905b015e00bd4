/// Lookup tables of a Bpe, made once at load.

#include <algorithm>

#include "lieq/base/message.h"
#include "lieq/base/utf8.h"
#include "lieq/text/tokenizer_impl.h"

namespace lieq::text {
namespace {

std::string byte_token_text(unsigned byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">";
}

class Builder {
 public:
  Builder(const BpeSource& source, const Vocabulary& vocabulary) : source_(source), vocabulary_(vocabulary) {}

  Result<Bpe> build(const std::string& place) {
    bpe_.byte_level = source_.byte_level;
    bpe_.byte_fallback = source_.byte_fallback;
    bpe_.fuse_unk = source_.fuse_unk;
    bpe_.unk = source_.unk;
    symbols();
    if (source_.ignore_merges) whole_pieces();
    bpe_.merges.reserve(source_.rules.size());
    for (const BpeSource::Rule& rule : source_.rules)
      if (!bpe_.merges.insert(rule.left, rule.right, rule.merge))
        return fail(ErrorCode::kInvalidFormat, place + ": " + in_quotes(vocabulary_.text(rule.left)) + " and " +
                                                   in_quotes(vocabulary_.text(rule.right)) +
                                                   " are merged twice, expected once");
    bpe_.may_cut = cuts_are_safe();
    if (bpe_.may_cut) joins();
    return std::move(bpe_);
  }

 private:
  [[nodiscard]] bool mergeable(TokenId id) const {
    return source_.mergeable.empty() || source_.mergeable[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] TokenId id_of(std::string_view text) const {
    const auto id = vocabulary_.find(text);
    return id && mergeable(*id) ? *id : kNoToken;
  }

  /// The tokens of single bytes and characters.
  void symbols() {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string text;
      append_utf8(text, byte_to_char(static_cast<std::uint8_t>(byte)));
      bpe_.bytes[byte] = kNoToken;
      if (source_.byte_level) bpe_.bytes[byte] = id_of(text);
      if (source_.byte_fallback) bpe_.bytes[byte] = vocabulary_.find(byte_token_text(byte)).value_or(kNoToken);
    }
    bpe_.ascii.fill(kNoToken);
    if (source_.byte_level) return;
    for (std::size_t i = 0; i < vocabulary_.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      if (!vocabulary_.contains(id) || !mergeable(id) || vocabulary_.text(id).empty()) continue;
      const CodePoint point = decode_utf8(vocabulary_.text(id), 0);
      if (!point.valid || point.bytes != vocabulary_.text(id).size()) continue;
      if (point.value < 128) bpe_.ascii[point.value] = id;
      else bpe_.characters.emplace(point.value, id);
    }
  }

  void whole_pieces() {
    struct Place {
      std::size_t begin, size;
      TokenId id;
    };
    std::vector<Place> places;
    for (std::size_t i = 0; i < vocabulary_.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      if (!vocabulary_.contains(id) || !mergeable(id)) continue;
      const std::string& text = vocabulary_.text(id);
      const auto bytes = source_.byte_level ? alphabet_bytes(text) : std::optional(text);
      if (!bytes || bytes->empty()) continue;
      places.push_back({bpe_.whole_texts.size(), bytes->size(), id});
      bpe_.whole_texts.insert(bpe_.whole_texts.end(), bytes->begin(), bytes->end());
    }
    bpe_.whole.reserve(places.size());
    const std::string_view texts(bpe_.whole_texts.data(), bpe_.whole_texts.size());
    for (const Place& place : places) bpe_.whole.emplace(texts.substr(place.begin, place.size), place.id);
  }

  /// Cutting needs every character to be a token or bytes: an unknown token is fused, or a dropped character lets
  /// its neighbours meet. Byte tokens must not merge, since their text is not the text they stand for.
  [[nodiscard]] bool cuts_are_safe() const {
    if (source_.byte_level || !source_.byte_fallback || source_.ignore_merges) return false;
    const auto missing = [](TokenId id) { return id == kNoToken; };
    if (std::any_of(bpe_.bytes.begin(), bpe_.bytes.end(), missing)) return false;
    std::vector<bool> is_byte(vocabulary_.size());
    for (const TokenId id : bpe_.bytes) is_byte[static_cast<std::size_t>(id)] = true;
    return std::none_of(source_.rules.begin(), source_.rules.end(), [&](const BpeSource::Rule& rule) {
      return is_byte[static_cast<std::size_t>(rule.left)] || is_byte[static_cast<std::size_t>(rule.right)];
    });
  }

  void joins() {
    for (const BpeSource::Rule& rule : source_.rules) {
      const std::string& left = vocabulary_.text(rule.left);
      std::size_t last = left.size() - 1;
      while (last > 0 && (static_cast<unsigned char>(left[last]) & 0xC0) == 0x80) --last;
      bpe_.add_join(decode_utf8(left, last).value, decode_utf8(vocabulary_.text(rule.right), 0).value);
    }
  }

  const BpeSource& source_;
  const Vocabulary& vocabulary_;
  Bpe bpe_;
};

}  // namespace

Result<Bpe> build_bpe(const BpeSource& source, const Vocabulary& vocabulary, const std::string& place) {
  return Builder(source, vocabulary).build(place);
}

void finish(Tokenizer::Impl& impl) {
  impl.filler.resize(impl.vocabulary.size());
  const auto& steps = impl.decoder.steps;
  if (steps.size() != 1 || steps.front().kind != DecoderStep::Kind::kByteLevel) return;
  impl.token_bytes.resize(impl.vocabulary.size());
  for (std::size_t i = 0; i < impl.vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (!impl.vocabulary.contains(id)) continue;
    const std::string& text = impl.text_of(id);
    impl.token_bytes[i] = alphabet_bytes(text).value_or(text);
  }
}

}  // namespace lieq::text
