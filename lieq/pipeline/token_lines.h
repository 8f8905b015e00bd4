#pragma once
/// Lines of text to token ids and back, as lieq tokenize reads and writes them.

#include <cstddef>
#include <string>

#include "lieq/base/result.h"
#include "lieq/text/chat_template.h"
#include "lieq/text/tokenizer.h"

namespace lieq::pipeline {

struct LineFormat {
  bool jsonl = false;       ///< {"text": ...} and {"ids": [...]} instead of plain text and numbers
  bool no_special = false;  ///< encoding adds no special tokens, decoding leaves them out
};

/// One line of input.
struct Line {
  std::string place;  ///< "FILE: line 3", for messages
  std::string text;
};

/// Errors: kInvalidFormat naming the place (what are no ids, or none of the vocabulary).
[[nodiscard]] Result<std::string> decode_line(const text::Tokenizer& tokenizer, const Line& line,
                                              const LineFormat& format);
/// replaced: counts sequences that are no UTF-8. Errors: kInvalidFormat naming the place.
[[nodiscard]] Result<std::string> encode_line(const text::Tokenizer& tokenizer, const Line& line,
                                              const LineFormat& format, std::size_t& replaced);
/// {"messages": [...], ...} to {"prompt": ..., "ids": [...]}: what chat would give to the model. Errors: kInvalidFormat
/// naming the place; those of the template.
[[nodiscard]] Result<std::string> chat_line(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template,
                                            const Line& line);

}  // namespace lieq::pipeline
