#pragma once
/// Text files for evaluation and calibration.

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/text/tokenizer.h"

namespace lieq::text {

/// How the parts of a file become one text.
enum class Join {
  kWhole,  ///< a .txt file as it is
  kRows,   ///< a .txt file as the GPTQ protocol reads WikiText from the hub: each line is a row, a line of white space
           ///< only is an empty row, other rows keep their line end, and rows are joined by an empty line ("\n\n")
};

/// Reads a text file, or a .jsonl file whose documents (`field` of each line) are joined by "\n\n" whatever `join`
/// says.
/// What is no UTF-8 becomes U+FFFD, with one warning to `sink`: "FILE: N invalid UTF-8 sequences replaced by U+FFFD".
/// Errors: kNotFound, kIo; kInvalidFormat for an empty text, and for a .jsonl line naming its number and the field.
[[nodiscard]] Result<std::string> read_text(const std::filesystem::path& file, Join join, Sink& sink,
                                            std::string_view field = "text");

/// The documents of a .jsonl file (`field` of each line, empty ones included), or the whole of another file as one.
/// Repairs, warns and fails as read_text does.
[[nodiscard]] Result<std::vector<std::string>> read_documents(const std::filesystem::path& file, Sink& sink,
                                                              std::string_view field = "text");

}  // namespace lieq::text
