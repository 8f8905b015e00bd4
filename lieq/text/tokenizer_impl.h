#pragma once
/// The parts of a tokenizer, as json_tokenizer.cc and gguf_tokenizer.cc put them together.

#include <string>
#include <utility>
#include <vector>

#include "lieq/text/added_tokens.h"
#include "lieq/text/bpe.h"
#include "lieq/text/decode.h"
#include "lieq/text/normalize.h"
#include "lieq/text/pretokenize.h"
#include "lieq/text/tokenizer.h"
#include "lieq/text/vocabulary.h"

namespace lieq::text {

/// In the order of the text's way: added tokens, normaliser, pre-tokenizer, BPE, post-processor; and back.
struct Tokenizer::Impl {
  Vocabulary vocabulary;  ///< model and added tokens
  Normalizer normalizer;
  AddedTokens added;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  std::vector<TokenId> before, after;  ///< what SpecialTokens::kAdd puts around the ids
  Decoder decoder;
  std::string kind;
  std::vector<std::string> warnings;

  /// Fast path of decoding: bytes of each token, when ByteLevel is the only step.
  std::vector<std::string> token_bytes;
  /// Never decoded: filler entries of a padded vocabulary.
  std::vector<bool> filler;

  /// Whether an id is part of decoded text.
  [[nodiscard]] bool decodes(TokenId id, SpecialText special) const {
    return vocabulary.contains(id) && !filler[static_cast<std::size_t>(id)] &&
           !(special == SpecialText::kSkip && added.is_special(id));
  }
  /// What an id of the vocabulary decodes from.
  [[nodiscard]] const std::string& text_of(TokenId id) const {
    const std::string* other = added.decoded_as(id);
    return other != nullptr ? *other : vocabulary.text(id);
  }
};

/// What a model says about merging, in a form common to both files.
struct BpeSource {
  struct Rule {
    TokenId left, right;
    Merge merge;
  };
  std::vector<Rule> rules;
  bool byte_level = false;
  bool byte_fallback = false;
  bool fuse_unk = false;
  bool ignore_merges = false;  ///< a piece that is a token is taken whole
  TokenId unk = kNoToken;
  std::vector<bool> mergeable;  ///< by id: tokens the model may produce; empty: all
};

/// Errors: kInvalidFormat naming `place` for a pair that is merged twice.
[[nodiscard]] Result<Bpe> build_bpe(const BpeSource& source, const Vocabulary& vocabulary, const std::string& place);

/// Fills what follows from the other parts (token_bytes).
void finish(Tokenizer::Impl& impl);

}  // namespace lieq::text
