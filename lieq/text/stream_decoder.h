#pragma once
/// Text of token ids that come one at a time.

#include <string>
#include <string_view>
#include <vector>

#include "lieq/text/decode.h"
#include "lieq/text/tokenizer.h"

namespace lieq::text {

/// Everything that add and finish return, put together, is Tokenizer::decode of all ids. What later ids could still
/// change is held back: bytes of an unfinished character, and runs of byte tokens. O(1) for a token but for what is
/// held back.
class StreamDecoder {
 public:
  /// `tokenizer` must outlive this.
  explicit StreamDecoder(const Tokenizer& tokenizer, SpecialText special = SpecialText::kSkip);

  /// The text that `id` settles: valid UTF-8, often empty.
  [[nodiscard]] std::string add(TokenId id);
  /// The rest; an unfinished character becomes U+FFFD.
  [[nodiscard]] std::string finish();

 private:
  [[nodiscard]] std::string settle(bool last);
  [[nodiscard]] std::string without_lead(std::string text);

  const Tokenizer* tokenizer_;
  SpecialText special_;
  std::string bytes_;                ///< byte-level: not yet returned
  std::vector<std::string> tokens_;  ///< otherwise: the same
  Decoder per_token_;                ///< the steps that see tokens, not the whole text
  DecoderStep lead_;                 ///< what is stripped off the start of the whole text, `start` times
  bool by_tokens_ = true;            ///< the decoder can work on parts of the text
  bool first_ = true;
};

}  // namespace lieq::text
