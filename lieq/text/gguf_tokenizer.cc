/// The tokenizer inside a GGUF file.
///
/// Goals: the ids of the tokenizer.json the file was made from. tokenizer.ggml.pre names a rule of llama.cpp; the
/// table in gguf_pre.cc says what we run for it. NFC is not part of that rule, yet the Qwen2 family's tokenizer.json
/// has it, so
/// we do it (llama.cpp does not, and differs on text that is not NFC).
/// Non-goals: WordPiece, Unigram ("t5"), RWKV and the pre-tokenizers not in the table, which are refused.

#include <algorithm>
#include <map>

#include "lieq/base/message.h"
#include "lieq/base/utf8.h"
#include "lieq/text/gguf_pre.h"
#include "lieq/text/tokenizer_impl.h"

namespace lieq::text {
namespace {

class Reader {
 public:
  explicit Reader(const io::Gguf& gguf) : gguf_(gguf) {}

  Result<std::unique_ptr<Tokenizer::Impl>> read() {
    LIEQ_ASSIGN(const auto model, gguf_.string("tokenizer.ggml.model"));
    if (!model)
      return fail(ErrorCode::kNotFound, place("tokenizer.ggml.model") + ": missing, so the file has no tokenizer");
    LIEQ_TRY(read_tokens());
    if (*model == "gpt2") {
      LIEQ_TRY(read_gpt2());
    } else if (*model == "llama") {
      LIEQ_TRY(read_llama());
    } else {
      return fail(ErrorCode::kUnsupported, place("tokenizer.ggml.model") + ": " + in_quotes(*model) +
                                               " is not supported, expected gpt2 or llama");
    }
    finish(*impl_);
    for (std::size_t i = 0; i < types_.size(); ++i)
      impl_->filler[i] = types_[i] == kUnused && impl_->vocabulary.text(static_cast<TokenId>(i)) == filler_name(i);
    return std::move(impl_);
  }

 private:
  [[nodiscard]] std::string place(std::string_view key) const {
    return gguf_.file + ": key " + in_quotes(key);
  }
  static std::string filler_name(std::size_t id) { return "[PAD" + std::to_string(id) + "]"; }

  Result<void> read_tokens() {
    LIEQ_ASSIGN(const auto* tokens, gguf_.strings("tokenizer.ggml.tokens"));
    if (tokens == nullptr) return fail(ErrorCode::kInvalidFormat, place("tokenizer.ggml.tokens") + ": missing");
    LIEQ_ASSIGN(types_, token_types(gguf_, *tokens, impl_->warnings));
    std::vector<Vocabulary::Entry> entries;
    entries.reserve(tokens->size());
    for (std::size_t i = 0; i < tokens->size(); ++i) {
      const std::string_view token = (*tokens)[i];
      if (!is_utf8(token))
        return fail(ErrorCode::kInvalidFormat, place("tokenizer.ggml.tokens") + ": token " + std::to_string(i) + " " +
                                                   in_quotes(token) + " is no UTF-8");
      entries.push_back({std::string(token), static_cast<std::int64_t>(i)});
    }
    LIEQ_ASSIGN(impl_->vocabulary, Vocabulary::build(std::move(entries), place("tokenizer.ggml.tokens")));
    return {};
  }

  /// Control tokens are special; those of type "unknown" too, as <unk> is in tokenizer.json.
  void read_added() {
    std::vector<AddedToken> added;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      const auto id = static_cast<TokenId>(i);
      const bool special = types_[i] == kControl || types_[i] == kUnknown;
      if (!special && types_[i] != kUserDefined) continue;
      AddedToken token;
      token.id = id;
      token.content = impl_->vocabulary.text(id);
      token.special = special;
      if (!token.content.empty()) added.push_back(std::move(token));
    }
    impl_->added = AddedTokens(std::move(added), impl_->normalizer);
  }

  Result<void> read_around(bool bos_by_default) {
    const auto one = [&](std::string_view flag, const std::string& name, bool fallback,
                         std::vector<TokenId>& into) -> Result<void> {
      LIEQ_ASSIGN(const auto wanted, gguf_.boolean(flag));
      if (!wanted.value_or(fallback)) return {};
      LIEQ_ASSIGN(const auto id, special_id(gguf_, name));
      if (!id && !wanted) return {};
      if (!id || *id >= impl_->vocabulary.size())
        return fail(ErrorCode::kInvalidFormat, place("tokenizer.ggml." + name + "_token_id") + ": found " +
                                                   (id ? std::to_string(*id) : "nothing") + ", expected an id below " +
                                                   std::to_string(impl_->vocabulary.size()));
      into.push_back(static_cast<TokenId>(*id));
      return {};
    };
    LIEQ_TRY(one("tokenizer.ggml.add_bos_token", "bos", bos_by_default, impl_->before));
    return one("tokenizer.ggml.add_eos_token", "eos", false, impl_->after);
  }

  Result<void> read_gpt2() {
    LIEQ_ASSIGN(const PreRule* rule, pre_rule(gguf_, impl_->warnings));
    BpeSource source;
    source.byte_level = true;
    source.ignore_merges = rule->ignore_merges;
    // Fillers of the vocabulary and added tokens take no part in merging.
    source.mergeable.resize(types_.size());
    for (std::size_t i = 0; i < types_.size(); ++i) source.mergeable[i] = types_[i] == kNormal;
    LIEQ_TRY(read_merges(source));
    if (rule->nfc) impl_->normalizer.steps.push_back({NormalizerStep::Kind::kNfc, "", ""});
    if (rule->single_digits) impl_->pre_tokenizer.steps.push_back(digit_splitter(true));
    for (const std::string_view pattern : rule->patterns) {
      auto splitter = known_splitter(pattern);
      if (!splitter) {
        LIEQ_ASSIGN(splitter, regex_splitter(pattern, MatchPolicy{}, place("tokenizer.ggml.pre")));
      }
      impl_->pre_tokenizer.steps.push_back(std::move(splitter));
    }
    impl_->pre_tokenizer.byte_level = true;
    impl_->kind = "byte-level BPE (" + std::string(rule->single_digits ? "single digits, then " : "") +
                  std::string(rule->title) + ")";
    impl_->decoder.steps.push_back({});
    LIEQ_ASSIGN(impl_->bpe, build_bpe(source, impl_->vocabulary, place("tokenizer.ggml.merges")));
    read_added();
    return read_around(rule->add_bos);
  }

  Result<void> read_merges(BpeSource& source) const {
    constexpr std::string_view kKey = "tokenizer.ggml.merges";
    LIEQ_ASSIGN(const auto* merges, gguf_.strings(kKey));
    if (merges == nullptr) return fail(ErrorCode::kInvalidFormat, place(kKey) + ": missing");
    source.rules.reserve(merges->size());
    std::string product;
    for (std::size_t i = 0; i < merges->size(); ++i) {
      const std::string_view merge = (*merges)[i];
      const std::size_t blank = merge.find(' ');
      const auto wrong = [&](const std::string& what) {
        return fail(ErrorCode::kInvalidFormat,
                    place(kKey) + ": merge " + std::to_string(i) + " " + in_quotes(merge) + ": " + what);
      };
      if (blank == std::string_view::npos || blank == 0 || blank + 1 == merge.size())
        return wrong("expected two tokens with one blank between");
      const std::string_view left = merge.substr(0, blank), right = merge.substr(blank + 1);
      product.assign(left).append(right);
      const Vocabulary& vocabulary = impl_->vocabulary;
      const auto left_id = vocabulary.find(left), right_id = vocabulary.find(right), id = vocabulary.find(product);
      if (!left_id || !right_id || !id) return wrong("a side or the product is not in the vocabulary");
      source.rules.push_back({*left_id, *right_id, {static_cast<std::uint32_t>(i), *id}});
    }
    return {};
  }

  /// SentencePiece: any two neighbours that make a token may merge, the best score first.
  Result<void> read_llama() {
    LIEQ_ASSIGN(const auto scores, read_scores());
    BpeSource source;
    source.byte_fallback = true;
    source.fuse_unk = true;
    source.mergeable.resize(types_.size());
    for (std::size_t i = 0; i < types_.size(); ++i) {
      source.mergeable[i] = types_[i] == kNormal || types_[i] == kUserDefined;
      if (types_[i] == kUnknown && source.unk == kNoToken) source.unk = static_cast<TokenId>(i);
    }
    std::vector<double> sorted(scores);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    for (std::size_t i = 0; i < types_.size(); ++i) {
      if (!source.mergeable[i]) continue;
      const auto rank = std::lower_bound(sorted.begin(), sorted.end(), scores[i], std::greater<>()) - sorted.begin();
      add_pairs(static_cast<TokenId>(i), static_cast<std::uint32_t>(rank), source);
    }
    LIEQ_ASSIGN(const auto prefix, gguf_.boolean("tokenizer.ggml.add_space_prefix"));
    constexpr const char* kMark = "\u2581";
    if (prefix.value_or(true)) impl_->normalizer.steps.push_back({NormalizerStep::Kind::kPrepend, "", kMark});
    impl_->normalizer.steps.push_back({NormalizerStep::Kind::kReplace, " ", kMark});
    impl_->decoder.steps.push_back({DecoderStep::Kind::kReplace, kMark, " "});
    impl_->decoder.steps.push_back({DecoderStep::Kind::kByteFallback, "", ""});
    impl_->decoder.steps.push_back({DecoderStep::Kind::kFuse, "", ""});
    if (prefix.value_or(true)) impl_->decoder.steps.push_back({DecoderStep::Kind::kStrip, "", "", U' ', 1, 0});
    impl_->kind = "SentencePiece BPE";
    LIEQ_ASSIGN(impl_->bpe, build_bpe(source, impl_->vocabulary, place("tokenizer.ggml.tokens")));
    read_added();
    return read_around(true);
  }

  Result<std::vector<double>> read_scores() const {
    constexpr std::string_view kKey = "tokenizer.ggml.scores";
    const io::GgufValue* value = gguf_.find(kKey);
    const auto* scores = value == nullptr ? nullptr : std::get_if<std::vector<double>>(value);
    if (scores == nullptr) return fail(ErrorCode::kInvalidFormat, place(kKey) + ": expected an array of numbers");
    if (scores->size() != types_.size())
      return fail(ErrorCode::kInvalidFormat, place(kKey) + ": found " + std::to_string(scores->size()) +
                                                 " entries, expected " + std::to_string(types_.size()) +
                                                 " (one for each token)");
    if (std::any_of(scores->begin(), scores->end(), [](double s) { return s != s; }))
      return fail(ErrorCode::kInvalidFormat, place(kKey) + ": found NaN, expected numbers");
    return *scores;
  }

  /// Every way to cut token `id` in two tokens.
  void add_pairs(TokenId id, std::uint32_t rank, BpeSource& source) const {
    const std::string_view text = impl_->vocabulary.text(id);
    if (text.empty()) return;
    for (std::size_t at = decode_utf8(text, 0).bytes; at < text.size(); at += decode_utf8(text, at).bytes) {
      const auto left = impl_->vocabulary.find(text.substr(0, at)), right = impl_->vocabulary.find(text.substr(at));
      if (!left || !right || !source.mergeable[static_cast<std::size_t>(*left)] ||
          !source.mergeable[static_cast<std::size_t>(*right)])
        continue;
      source.rules.push_back({*left, *right, {rank, id}});
    }
  }

  const io::Gguf& gguf_;
  std::unique_ptr<Tokenizer::Impl> impl_ = std::make_unique<Tokenizer::Impl>();
  std::vector<std::int64_t> types_;
};

}  // namespace

Result<Tokenizer> Tokenizer::from_gguf(const io::Gguf& gguf) {
  LIEQ_ASSIGN(auto impl, Reader(gguf).read());
  return Tokenizer(std::move(impl));
}

}  // namespace lieq::text
