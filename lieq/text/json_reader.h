#pragma once
/// Reads tokenizer.json without building a tree of its two long lists.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/text/vocabulary.h"

namespace lieq::text {

struct TokenizerJson {
  Json rest;  ///< the file, with model.vocab and model.merges empty
  std::vector<Vocabulary::Entry> vocab;
  std::vector<std::pair<std::string, std::string>> merges;
  bool has_vocab = false, has_merges = false;
  std::string fault;  ///< what is wrong in vocab or merges; told only if the model is one we read
};

/// Errors: kInvalidFormat: not JSON, nested deeper than 100, a key twice in one object; each names `place`.
[[nodiscard]] Result<TokenizerJson> read_tokenizer_json(std::string_view text, const std::string& place);

}  // namespace lieq::text
