#pragma once
/// The tokenizer of a GGUF file as the files a Hugging Face folder has.

#include <string>

#include "lieq/base/result.h"
#include "lieq/io/gguf.h"

namespace lieq::text {

struct TokenizerFiles {
  std::string tokenizer_json, tokenizer_config_json;
};

/// Byte-level BPE (tokenizer.ggml.model "gpt2") with any pre-tokenizer of gguf_pre.cc, and SentencePiece BPE ("llama"),
/// whose merges follow from the scores: the ids of the result equal those of Tokenizer::from_gguf.
/// Errors: kUnsupported for other kinds; kInvalidFormat for missing lists.
[[nodiscard]] Result<TokenizerFiles> tokenizer_files_from_gguf(const io::Gguf& gguf);

}  // namespace lieq::text
