#pragma once
/// The tokenizer files of a Hugging Face folder as the tokenizer.* keys of a GGUF file.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::text {

/// Named as the keys, "tokenizer.ggml." left out.
struct GgufTokenizer {
  std::string model;                 ///< "gpt2": byte-level BPE; "llama": SentencePiece BPE
  std::string pre;                   ///< llama.cpp's name of the pre-tokenizer
  std::vector<std::string> tokens;   ///< by id; ids without a token are "[PAD17]"
  std::vector<std::int32_t> token_type;
  std::vector<float> scores;         ///< "llama" only
  std::vector<std::string> merges;   ///< "gpt2" only
  std::optional<std::uint32_t> bos_token_id, eos_token_id, unknown_token_id, padding_token_id;
  bool add_bos_token = false, add_eos_token = false;
  std::optional<bool> add_space_prefix;  ///< "llama" only
  std::string chat_template;             ///< empty: none
};

/// Reads tokenizer.json, and where they are tokenizer_config.json, special_tokens_map.json and chat_template.jinja.
/// vocab_size: rows of the embedding, which the list is filled up to.
/// The merges of SentencePiece are scores in GGUF: a token scores by its first merge, and tokens whose merges lie
/// between each other's share a score, as they did in the vocabulary those merges were made from.
/// Errors: kNotFound without tokenizer.json; kInvalidFormat; kUnsupported for a pre-tokenizer or post-processor that
/// GGUF has no name for, or more tokens than vocab_size.
[[nodiscard]] Result<GgufTokenizer> gguf_tokenizer_of(const std::filesystem::path& folder, std::size_t vocab_size);

}  // namespace lieq::text
