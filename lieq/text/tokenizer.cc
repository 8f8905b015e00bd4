#include "lieq/text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "lieq/base/utf8.h"
#include "lieq/text/tokenizer_impl.h"

namespace lieq::text {

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const bool old = !std::filesystem::exists(path / "tokenizer.json", ignored) &&
                     std::filesystem::exists(path / "tokenizer.model", ignored);
    return old ? from_sentencepiece_file(path / "tokenizer.model") : from_json_file(path / "tokenizer.json");
  }
  if (path.extension() == ".model") return from_sentencepiece_file(path);
  if (path.extension() != ".gguf") return from_json_file(path);
  LIEQ_ASSIGN(const io::Gguf gguf, io::open_gguf(path));
  return from_gguf(gguf);
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (!is_utf8(text)) return encode(repair_utf8(text).text, special);
  std::vector<TokenId> ids;
  if (special == SpecialTokens::kAdd) ids = impl_->before;
  ids.reserve(ids.size() + text.size() / 3 + impl_->after.size());
  EncodeScratch scratch;
  bool opens = true;
  const auto encode_piece = [&](std::string_view piece) { impl_->bpe.encode(piece, scratch, ids); };
  const std::function<void(std::string_view)> sink = encode_piece;
  impl_->added.split(text, impl_->normalizer, [&](std::string_view section, const AddedToken* token) {
    if (token != nullptr) {
      ids.push_back(token->id);
    } else {
      impl_->pre_tokenizer.split(section, opens, sink);
    }
    opens = false;
  });
  if (special == SpecialTokens::kAdd) ids.insert(ids.end(), impl_->after.begin(), impl_->after.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, SpecialText special) const {
  std::string bytes;
  std::vector<std::string> tokens;
  for (const TokenId id : ids) {
    if (!impl_->decodes(id, special)) continue;
    if (impl_->token_bytes.empty()) {
      tokens.push_back(impl_->text_of(id));
    } else {
      bytes += impl_->token_bytes[static_cast<std::size_t>(id)];
    }
  }
  if (impl_->token_bytes.empty()) return impl_->decoder.apply(std::move(tokens));
  return is_utf8(bytes) ? bytes : repair_utf8(bytes).text;
}

std::size_t Tokenizer::vocab_size() const { return impl_->vocabulary.size(); }

const std::vector<std::string>& Tokenizer::warnings() const { return impl_->warnings; }

std::string Tokenizer::kind() const { return impl_->kind; }

std::optional<TokenId> Tokenizer::id_of(std::string_view token) const { return impl_->vocabulary.find(token); }

bool Tokenizer::is_special(TokenId id) const { return impl_->added.is_special(id); }

std::string Tokenizer::token_bytes(TokenId id) const {
  if (!impl_->decodes(id, SpecialText::kSkip)) return {};
  if (!impl_->token_bytes.empty()) return impl_->token_bytes[static_cast<std::size_t>(id)];
  const std::string& text = impl_->text_of(id);
  const auto is_fallback = [](const DecoderStep& step) { return step.kind == DecoderStep::Kind::kByteFallback; };
  const auto& steps = impl_->decoder.steps;
  if (std::any_of(steps.begin(), steps.end(), is_fallback)) {
    if (const auto byte = byte_token(text)) return std::string(1, static_cast<char>(*byte));
  }
  // Behind another token, so that no step takes it for the start of the text.
  const std::string before = "a";
  return impl_->decoder.apply({before, text}).substr(before.size());
}

}  // namespace lieq::text
