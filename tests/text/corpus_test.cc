#include "lieq/text/corpus.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "lieq/base/json.h"

namespace lieq::text {
namespace {

struct Warnings final : Sink {
  void warn(std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

class Corpus : public testing::Test {
 protected:
  Corpus() { std::filesystem::create_directories(folder_); }
  ~Corpus() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path write(const std::string& name, std::string_view contents) const {
    std::ofstream(folder_ / name, std::ios::binary) << contents;
    return folder_ / name;
  }
  static std::string test_name() { return testing::UnitTest::GetInstance()->current_test_info()->name(); }
  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / ("lieq_corpus_" + test_name());
  Warnings sink_;
};

TEST_F(Corpus, WholeTextIsUnchanged) {
  const std::string text = "  a \r\n\n b\xE2\x82\xAC\n";
  EXPECT_EQ(read_text(write("a.txt", text), Join::kWhole, sink_).value(), text);
  EXPECT_TRUE(sink_.lines.empty());
}

TEST_F(Corpus, RowsKeepTheirLineEndUnlessBlank) {
  EXPECT_EQ(read_text(write("a.txt", " \n = T = \n \n x\nlast"), Join::kRows, sink_).value(),
            "\n\n = T = \n\n\n\n\n x\n\n\nlast");
}

TEST_F(Corpus, BrokenUtf8IsRepairedAndCounted) {
  const auto file = write("a.txt", "a\xFF" "b\xE2\x82z\xED\xA0\x80");
  EXPECT_EQ(read_text(file, Join::kWhole, sink_).value(), "a\uFFFDb\uFFFDz\uFFFD\uFFFD\uFFFD");
  ASSERT_EQ(sink_.lines.size(), 1U);
  EXPECT_EQ(sink_.lines[0], file.string() + ": 5 invalid UTF-8 sequences replaced by U+FFFD");
}

TEST_F(Corpus, DocumentsAreJoinedByAnEmptyLine) {
  const auto file = write("a.jsonl", "{\"text\":\"one\",\"body\":\"x\"}\n\n{\"text\":\"two\",\"body\":\"y\"}");
  EXPECT_EQ(read_text(file, Join::kRows, sink_).value(), "one\n\ntwo");
  EXPECT_EQ(read_text(file, Join::kWhole, sink_, "body").value(), "x\n\ny");
  EXPECT_EQ(read_documents(file, sink_).value(), (std::vector<std::string>{"one", "two"}));
}

TEST_F(Corpus, ErrorsNameLineAndField) {
  const auto missing = write("a.jsonl", "{\"text\":\"one\"}\n{\"txt\":\"two\"}\n");
  EXPECT_EQ(read_text(missing, Join::kWhole, sink_).error().message,
            missing.string() + ": line 2: field 'text': missing, expected a string");
  const auto number = write("b.jsonl", "{\"text\":7}\n");
  EXPECT_EQ(read_text(number, Join::kWhole, sink_).error().message,
            number.string() + ": line 1: field 'text': found 7, expected a string");
  const auto broken = write("c.jsonl", "{\"text\":\n");
  EXPECT_NE(read_text(broken, Join::kWhole, sink_).error().message.find(": line 1: not valid JSON"), std::string::npos);
  const auto list = write("d.jsonl", "[1]\n");
  EXPECT_EQ(read_text(list, Join::kWhole, sink_).error().message,
            list.string() + ": line 1: found a list of 1, expected an object");
}

TEST_F(Corpus, EmptyTextIsRefused) {
  EXPECT_FALSE(read_text(write("a.txt", ""), Join::kWhole, sink_));
  EXPECT_FALSE(read_text(write("b.txt", " \n\n"), Join::kWhole, sink_));
  EXPECT_FALSE(read_text(write("c.jsonl", "{\"text\":\"\"}"), Join::kWhole, sink_));
  EXPECT_EQ(read_text(folder_ / "none.txt", Join::kWhole, sink_).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lieq::text
