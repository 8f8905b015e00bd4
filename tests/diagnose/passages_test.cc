#include "lieq/diagnose/passages.h"

#include <fstream>

#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::diagnose {
namespace {

using test::must;

/// A byte-level tokenizer with few merges: lengths in tokens follow lengths in letters.
const text::Tokenizer& tokenizer() {
  static const text::Tokenizer loaded =
      must(text::Tokenizer::load(test::data_dir() / "tiny-llama"));
  return loaded;
}

struct Warnings : Sink {
  std::vector<std::string> lines;
  void warn(std::string_view line) override { lines.emplace_back(line); }
};

/// A text of exactly `tokens` tokens.
std::string text_of(std::size_t tokens, char letter = '0') {
  std::string text(tokens, letter);
  EXPECT_EQ(tokenizer().encode(text, text::SpecialTokens::kAdd).size(), tokens);
  return text;
}

std::vector<Cell> cut(const Corpus& corpus, const CutOptions& options, Sink& sink) {
  Threads threads(2);
  return must(cut_passages({&corpus, 1}, tokenizer(), options, threads, sink));
}

std::vector<std::size_t> lengths_of(const Cell& cell) {
  std::vector<std::size_t> lengths;
  for (const auto& passage : cell.passages) lengths.push_back(passage.size());
  return lengths;
}

TEST(CutPassages, DocumentsGoIntoTheBucketOfTheirLength) {
  Warnings sink;
  Corpus corpus{"c.jsonl", {}, false};
  for (const std::size_t tokens : {5U, 32U, 33U, 128U, 129U, 512U, 513U, 2000U})
    corpus.documents.push_back(text_of(tokens));
  const auto cells = cut(corpus, {.per_bucket = 2, .longest = 512}, sink);
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(cells[0].bucket, "33-128");
  EXPECT_EQ(cells[0].corpus, "c.jsonl");
  EXPECT_EQ(lengths_of(cells[0]), (std::vector<std::size_t>{33, 128}));
  EXPECT_EQ(lengths_of(cells[1]), (std::vector<std::size_t>{129, 512})) << "two of four, evenly spaced";
  EXPECT_TRUE(sink.lines.empty());
}

TEST(CutPassages, TakesEvenlySpacedOnes) {
  Sink sink;
  Corpus corpus{"c.jsonl", {}, false};
  for (std::size_t tokens = 40; tokens < 60; ++tokens) corpus.documents.push_back(text_of(tokens));
  const auto cells = cut(corpus, {.per_bucket = 4, .longest = 512}, sink);
  ASSERT_EQ(cells.size(), 1U);
  EXPECT_EQ(lengths_of(cells[0]), (std::vector<std::size_t>{40, 45, 50, 55}));
}

TEST(CutPassages, JoinsLinesThatAreTooShort) {
  Sink sink;
  const Corpus corpus{"ptb.txt", std::vector<std::string>(200, text_of(20)), true};
  const auto cells = cut(corpus, {.per_bucket = 5, .longest = 512}, sink);
  ASSERT_EQ(cells.size(), 2U);
  for (const std::size_t length : lengths_of(cells[0])) EXPECT_TRUE(length >= 80 && length <= 128) << length;
  for (const std::size_t length : lengths_of(cells[1])) EXPECT_TRUE(length >= 320 && length <= 512) << length;
  EXPECT_EQ(cells[0].passages.size(), 5U);
  EXPECT_EQ(cells[1].passages.size(), 5U);
}

TEST(CutPassages, CutsLongLinesIntoPieces) {
  Sink sink;
  const Corpus corpus{"one-line.txt", {text_of(1500)}, true};
  const auto cells = cut(corpus, {}, sink);
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(lengths_of(cells[0]), (std::vector<std::size_t>{128}));
  EXPECT_EQ(lengths_of(cells[1]), (std::vector<std::size_t>{512, 512, 476}));
}

TEST(CutPassages, FillsTheShortBucketWithBeginnings) {
  Warnings sink;
  const Corpus corpus{"c4.jsonl", {text_of(300), text_of(60), text_of(900)}, false};
  const auto cells = cut(corpus, {}, sink);
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(lengths_of(cells[0]), (std::vector<std::size_t>{80, 80})) << "more than the one document of 60 tokens";
  EXPECT_EQ(lengths_of(cells[1]), (std::vector<std::size_t>{300, 512}));
}

TEST(CutPassages, KeepsToWhatTheModelCanRead) {
  Warnings sink;
  const Corpus corpus{"c.jsonl", {text_of(100), text_of(400)}, false};
  const auto cells = cut(corpus, {.per_bucket = 9, .longest = 90}, sink);
  ASSERT_EQ(cells.size(), 1U);
  EXPECT_EQ(lengths_of(cells[0]), (std::vector<std::size_t>{90, 90}));
  ASSERT_EQ(sink.lines.size(), 1U);
  EXPECT_EQ(sink.lines[0], "c.jsonl: found no passage of 129-512 tokens: this corpus goes without that bucket");
}

TEST(CutPassages, RefusesATextWithoutAny) {
  Sink sink;
  Threads threads(1);
  const Corpus corpus{"c.jsonl", {text_of(10)}, false};
  const auto cells = cut_passages({&corpus, 1}, tokenizer(), {}, threads, sink);
  ASSERT_FALSE(cells);
  EXPECT_EQ(cells.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(cells.error().message, "text: found no passage of 33 tokens or more, expected at least one");
}

TEST(ReadCorpus, SplitsTextIntoLines) {
  const auto file = std::filesystem::path(testing::TempDir()) / "read_corpus.txt";
  std::ofstream(file) << " = Title = \n\n  \nA paragraph.\r\nThe last";
  Sink sink;
  const Corpus corpus = must(read_corpus(file, sink));
  EXPECT_EQ(corpus.name, "read_corpus.txt");
  EXPECT_TRUE(corpus.lines);
  EXPECT_EQ(corpus.documents, (std::vector<std::string>{" = Title = ", "A paragraph.\r", "The last"}));
}

TEST(Representative, IsNearestToTheMedianThenLowest) {
  const auto passages = [](std::initializer_list<std::size_t> lengths) {
    std::vector<std::vector<TokenId>> all;
    for (const std::size_t length : lengths) all.emplace_back(length);
    return all;
  };
  using Indices = std::vector<std::size_t>;
  EXPECT_EQ(representative(passages({50, 40, 60}), 1), Indices{0});
  EXPECT_EQ(representative(passages({40, 50, 50, 60}), 1), Indices{1});
  EXPECT_EQ(representative(passages({70, 40, 50, 60}), 1), Indices{2}) << "of four the lower middle one";
  EXPECT_EQ(representative(passages({70, 40, 50, 60}), 2), (Indices{1, 2})) << "40 and 60 are as near: the lower index";
  EXPECT_EQ(representative(passages({70, 40}), 9), (Indices{0, 1}));
}

}  // namespace
}  // namespace lieq::diagnose
