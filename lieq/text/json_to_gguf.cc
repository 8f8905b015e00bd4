#include "lieq/text/json_to_gguf.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/io/atomic_file.h"
#include "lieq/text/chat_template.h"
#include "lieq/text/json_parts.h"
#include "lieq/text/json_reader.h"

namespace lieq::text {
namespace {

/// tokenizer.ggml.token_type
enum TokenType : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// What llama.cpp runs for a byte-level pre-tokenizer.
struct PreName {
  std::string_view pattern;  ///< PreTokenizer::name
  std::string_view pre;      ///< tokenizer.ggml.pre
  bool ignores_merges;       ///< pieces that are tokens are taken whole
};
constexpr PreName kPreNames[] = {
    {"GPT-2 pattern", "gpt-2", false},
    {"single digits, then GPT-2 pattern", "smollm", false},
    {"Llama 3 pattern", "llama-bpe", true},
    {"Qwen2 pattern", "qwen2", false},
};

bool is_byte_token(const std::string& token) {
  return token.size() == 6 && token.starts_with("<0x") && token.back() == '>';
}

/// Scores that give back the order of `merges`; the first merges score highest. Tokens that no merge makes score
/// lowest: they are found, never made.
std::vector<float> scores_of(const std::vector<std::pair<std::string, std::string>>& merges,
                             const std::vector<std::string>& tokens) {
  struct Range {
    std::size_t first, last;
  };
  std::unordered_map<std::string, Range> made;
  for (std::size_t k = 0; k < merges.size(); ++k)
    made.try_emplace(merges[k].first + merges[k].second, Range{k, k}).first->second.last = k;
  std::vector<std::pair<Range, const std::string*>> ranges;
  for (const auto& [token, range] : made) ranges.emplace_back(range, &token);
  std::ranges::sort(ranges, {}, [](const auto& one) { return one.first.first; });
  std::unordered_map<std::string_view, float> score_of;
  float score = 0;
  std::size_t end = 0;  // of the merges that share `score`
  for (const auto& [range, token] : ranges) {
    if (score_of.empty() || range.first > end) score -= 1;
    end = std::max(end, range.last);
    score_of.emplace(*token, score);
  }
  std::vector<float> scores;
  for (const std::string& token : tokens) {
    const auto found = score_of.find(token);
    scores.push_back(found == score_of.end() ? score - 1 : found->second);
  }
  return scores;
}

class Converter {
 public:
  Converter(const std::filesystem::path& folder, std::size_t vocab_size)
      : folder_(folder), file_((folder / "tokenizer.json").string()), vocab_size_(vocab_size) {}

  Result<GgufTokenizer> convert() {
    LIEQ_ASSIGN(const std::string text, io::read_file(file_));
    LIEQ_ASSIGN(const Tokenizer tokenizer, Tokenizer::from_json_text(text, file_));
    LIEQ_ASSIGN(const TokenizerJson json, read_tokenizer_json(text, file_));
    const Tokenizer::Impl& impl = tokenizer.impl();
    LIEQ_TRY(list_tokens(tokenizer, json));
    LIEQ_TRY(impl.pre_tokenizer.byte_level ? byte_level(impl, json) : sentence_piece(impl, json));
    LIEQ_TRY(special_tokens(tokenizer));
    LIEQ_TRY(around(impl));
    return std::move(out_);
  }

 private:
  [[nodiscard]] Unexpected unsupported(const std::string& found, const std::string& expected) const {
    return fail(ErrorCode::kUnsupported, fmt::format("{}: found {}, GGUF has {}", file_, found, expected));
  }

  Result<void> list_tokens(const Tokenizer& tokenizer, const TokenizerJson& json) {
    if (tokenizer.vocab_size() > vocab_size_)
      return unsupported(fmt::format("ids up to {}", tokenizer.vocab_size() - 1),
                         fmt::format("one for each of the {} rows of the embedding", vocab_size_));
    LIEQ_ASSIGN(const auto added, read_added_tokens(Fields(json.rest, file_).find("added_tokens"), file_));
    std::unordered_map<TokenId, bool> special;
    for (const AddedToken& token : added) special[token.id] = token.special;
    const Vocabulary& vocabulary = tokenizer.impl().vocabulary;
    for (std::size_t i = 0; i < vocab_size_; ++i) {
      const auto id = static_cast<TokenId>(i);
      const bool there = i < vocabulary.size() && vocabulary.contains(id);
      out_.tokens.push_back(there ? vocabulary.text(id) : fmt::format("[PAD{}]", i));
      const auto found = special.find(id);
      out_.token_type.push_back(!there                  ? kUnused
                                : found == special.end() ? kNormal
                                : found->second          ? kControl
                                                         : kUserDefined);
    }
    return {};
  }

  Result<void> byte_level(const Tokenizer::Impl& impl, const TokenizerJson& json) {
    const auto* pre = std::ranges::find(kPreNames, impl.pre_tokenizer.name, &PreName::pattern);
    LIEQ_ASSIGN(const auto ignores, Fields(json.rest["model"], file_ + ": model").boolean("ignore_merges"));
    if (pre == std::end(kPreNames) || impl.pre_tokenizer.prefix_space)
      return unsupported(fmt::format("the pre-tokenizer '{}'{}", impl.pre_tokenizer.name,
                                     impl.pre_tokenizer.prefix_space ? " with a blank put in front" : ""),
                         "no name for it (known: gpt-2, smollm, llama-bpe, qwen2)");
    if (ignores.value_or(false) != pre->ignores_merges)
      return unsupported(fmt::format("ignore_merges {} with the {}", ignores.value_or(false), pre->pattern),
                         fmt::format("it {} for that one", pre->ignores_merges));
    out_.model = "gpt2";
    out_.pre = pre->pre;
    for (const auto& [left, right] : json.merges) out_.merges.push_back(left + " " + right);
    return {};
  }

  Result<void> sentence_piece(const Tokenizer::Impl& impl, const TokenizerJson& json) {
    if (impl.kind != "SentencePiece BPE") return unsupported(impl.kind, "byte-level and SentencePiece BPE");
    out_.model = "llama";
    out_.pre = "default";
    out_.scores = scores_of(json.merges, out_.tokens);
    out_.add_space_prefix = std::ranges::any_of(
        impl.normalizer.steps, [](const NormalizerStep& step) { return step.kind == NormalizerStep::Kind::kPrepend; });
    for (std::size_t i = 0; i < out_.tokens.size(); ++i)
      if (out_.token_type[i] == kNormal && is_byte_token(out_.tokens[i])) out_.token_type[i] = kByte;
    LIEQ_ASSIGN(const auto unknown, Fields(json.rest["model"], file_ + ": model").string("unk_token"));
    for (std::size_t i = 0; unknown && i < out_.tokens.size(); ++i)
      if (out_.tokens[i] == *unknown) out_.token_type[i] = kUnknown;
    return {};
  }

  Result<void> special_tokens(const Tokenizer& tokenizer) {
    // The special tokens stand beside the template, or, without one, in the same files.
    OrderedJson tokens = OrderedJson::object();
    if (auto chat = ChatTemplate::load(folder_)) {
      out_.chat_template = chat->source();
      tokens = chat->special_tokens();
    } else if (chat.error().code != ErrorCode::kNotFound) {
      return Unexpected(chat.error());
    } else {
      LIEQ_ASSIGN(chat, ChatTemplate::load(folder_, "chatml"));
      tokens = chat->special_tokens();
    }
    for (const auto& [name, target] : {std::pair{"bos_token", &out_.bos_token_id},
                                       {"eos_token", &out_.eos_token_id},
                                       {"unk_token", &out_.unknown_token_id},
                                       {"pad_token", &out_.padding_token_id}}) {
      if (!tokens.contains(name)) continue;
      const auto id = tokenizer.id_of(tokens[name].get<std::string>());
      if (id) *target = static_cast<std::uint32_t>(*id);
    }
    return {};
  }

  /// What the post-processor puts around a text must be the one token that GGUF can ask for.
  Result<void> around(const Tokenizer::Impl& impl) {
    for (const auto& [ids, name, flag, id] :
         {std::tuple{&impl.before, "before", &out_.add_bos_token, &out_.bos_token_id},
          {&impl.after, "after", &out_.add_eos_token, &out_.eos_token_id}}) {
      *flag = !ids->empty();
      if (ids->empty()) continue;
      const auto only = static_cast<std::uint32_t>(ids->front());
      if (ids->size() > 1 || id->value_or(only) != only)
        return unsupported(fmt::format("{} tokens put {} each text, the first of id {}", ids->size(), name, only),
                           fmt::format("one, the {} token", std::string_view(name) == "before" ? "bos" : "eos"));
      *id = only;
    }
    return {};
  }

  const std::filesystem::path& folder_;
  std::string file_;
  std::size_t vocab_size_;
  GgufTokenizer out_;
};

}  // namespace

Result<GgufTokenizer> gguf_tokenizer_of(const std::filesystem::path& folder, std::size_t vocab_size) {
  return Converter(folder, vocab_size).convert();
}

}  // namespace lieq::text
