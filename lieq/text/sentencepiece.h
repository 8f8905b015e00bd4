#pragma once
/// tokenizer.model, the file of SentencePiece: what old folders have in place of a tokenizer.json.
///
/// Goals: BPE models that change nothing but blanks before they merge, as Llama, Mistral and Gemma have them.
/// Non-goals: Unigram and word models, normalisation by a compiled map, writing.

#include <span>
#include <string>

#include "lieq/base/result.h"
#include "lieq/io/gguf.h"

namespace lieq::text {

/// Its pieces, scores and types under the names that GGUF files give them, since both mean the same tokenizer. Strings
/// view `bytes`. `place` opens error messages. Errors: kInvalidFormat (no such file, cut short), kUnsupported (another
/// kind of model or of normalisation).
[[nodiscard]] Result<io::Gguf> gguf_from_sentencepiece(std::span<const std::byte> bytes, const std::string& place);

}  // namespace lieq::text
