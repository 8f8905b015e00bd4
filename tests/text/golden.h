#pragma once
/// Reading the golden tokenizer files in ../shared; tests are skipped where they are not.

#include <zlib.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/base/json.h"
#include "lieq/text/tokenizer.h"
#include "tests/support/json_lines.h"

#define LIEQ_NEED(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no golden data: " << (path)

namespace lieq::text {

using test::read_lines;

inline const std::filesystem::path kGolden = std::filesystem::path(LIEQ_SHARED_DIR) / "golden";

/// The unpacked contents of a .gz file.
inline std::string read_gz(const std::filesystem::path& file) {
  std::string text;
  gzFile gz = gzopen(file.c_str(), "rb");
  std::array<char, 1 << 16> block{};
  for (int n = 0; gz != nullptr && (n = gzread(gz, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<std::size_t>(n));
  if (gz != nullptr) gzclose(gz);
  return text;
}

/// The strings all encode.jsonl speak of, by `i`.
inline std::vector<std::string> golden_strings() {
  std::vector<std::string> strings;
  for (const Json& line : read_lines(kGolden / "tokenizers/strings.jsonl")) {
    const auto i = line["i"].get<std::size_t>();
    if (strings.size() <= i) strings.resize(i + 1);
    strings[i] = line["text"].get<std::string>();
  }
  return strings;
}

/// Compares with one encode.jsonl: ids, ids_special, decoded, decoded_skip.
inline void expect_encodes(const Tokenizer& tokenizer, const std::filesystem::path& file) {
  const std::vector<std::string> strings = golden_strings();
  std::size_t count = 0;
  for (const Json& line : read_lines(file)) {
    const std::string& text = strings.at(line["i"].get<std::size_t>());
    const auto ids = line["ids"].get<std::vector<TokenId>>();
    const auto with_special = line["ids_special"].is_null() ? ids : line["ids_special"].get<std::vector<TokenId>>();
    const auto expected = [&](const char* key) { return line[key].is_null() ? text : line[key].get<std::string>(); };
    EXPECT_EQ(tokenizer.encode(text, SpecialTokens::kNone), ids) << line["i"];
    EXPECT_EQ(tokenizer.encode(text, SpecialTokens::kAdd), with_special) << line["i"];
    EXPECT_EQ(tokenizer.decode(ids, SpecialText::kKeep), expected("decoded")) << line["i"];
    if (line.contains("decoded_skip")) {
      EXPECT_EQ(tokenizer.decode(with_special, SpecialText::kSkip), expected("decoded_skip")) << line["i"];
    }
    ++count;
  }
  EXPECT_GT(count, 600U);
}

}  // namespace lieq::text
