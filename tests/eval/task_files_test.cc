#include "lieq/eval/task_files.h"

#include <fstream>

#include "tests/support/golden.h"

namespace lieq::eval {
namespace {

using test::must;

class TaskFiles : public testing::Test {
 protected:
  TaskFiles()
      : folder_(testing::TempDir() + "task_files_" + testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(folder_);
  }
  ~TaskFiles() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& contents) {
    const std::filesystem::path file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << contents;
    return file;
  }
  std::string refusal(const std::string& contents) {
    const auto lines = read_task_lines(write("t.jsonl", contents));
    return lines ? "" : lines.error().message;
  }

  std::filesystem::path folder_;
};

TEST_F(TaskFiles, ReadsLinesAndUnwrapsDocs) {
  const auto lines = must(read_task_lines(write("t.jsonl", "{\"a\": 1}\r\n\n{\"doc\": {\"a\": 2}, \"gold\": 0}")));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].json, Json({{"a", 1}}));
  EXPECT_EQ(lines[1].json, Json({{"a", 2}}));
  EXPECT_NE(lines[1].place.find("t.jsonl: line 3"), std::string::npos);
}

TEST_F(TaskFiles, NamesFileAndLineOfWhatIsBroken) {
  EXPECT_NE(refusal("{\"a\": 1}\n{\"a\"").find("t.jsonl: line 2"), std::string::npos);
  EXPECT_NE(refusal("[1]\n").find(", expected an object"), std::string::npos);
  EXPECT_NE(refusal("{\"doc\": 7}\n").find("'doc'"), std::string::npos);
  EXPECT_NE(refusal("{\"a\": \"\xff\"}\n").find("line 1"), std::string::npos);
  EXPECT_NE(refusal(std::string(100000, '[')).find("line 1"), std::string::npos);
  EXPECT_NE(refusal("\n \n").find("found no records"), std::string::npos);
}

TEST_F(TaskFiles, LabelsBesideTheRecords) {
  write("x-labels.lst", "1\n0\n");
  const auto lines = must(read_task_lines(write("x.jsonl", "{}\n{}\n")));
  EXPECT_EQ(lines[0].label, "1");
  EXPECT_EQ(lines[1].label, "0");
  const auto broken = read_task_lines(write("x.jsonl", "{}\n"));
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("x-labels.lst: found 2 labels, expected 1"), std::string::npos);
}

TEST_F(TaskFiles, Csv) {
  const auto rows = must(parse_csv("a,\"b, \"\"c\"\"\nd\",e\r\n\nf,,\"\"\n", "x.csv"));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].fields, (std::vector<std::string>{"a", "b, \"c\"\nd", "e"}));
  EXPECT_EQ(rows[1].fields, (std::vector<std::string>{"f", "", ""}));
  EXPECT_EQ(rows[1].line, 4U);
  const auto open = parse_csv("a\n\"b,c\n", "x.csv");
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().message.find("x.csv: line 2: found a quote that is never closed"), std::string::npos);
}

TEST_F(TaskFiles, MmluFolder) {
  write("mmlu/test/college_physics_test.csv", "q,1,2,3,4,C\n");
  const auto lines = must(read_task_lines(must(locate("mmlu", folder_))));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(
      lines[0].json,
      Json({{"question", "q"}, {"subject", "college_physics"}, {"choices", {"1", "2", "3", "4"}}, {"answer", 2}}));
  write("mmlu/test/college_physics_test.csv", "q,1,2,3,4,E\n");
  EXPECT_NE(read_task_lines(folder_ / "mmlu/test").error().message.find("expected A, B, C or D"), std::string::npos);
  write("mmlu/test/college_physics_test.csv", "q,1,2,3,A\n");
  EXPECT_NE(read_task_lines(folder_ / "mmlu/test").error().message.find("found 5 fields, expected 6"),
            std::string::npos);
}

TEST_F(TaskFiles, SaysWhereItLooked) {
  const auto missing = locate("piqa", folder_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  for (const char* part : {"piqa.jsonl", "piqa/valid.jsonl", "--tasks-dir"})
    EXPECT_NE(missing.error().message.find(part), std::string::npos) << missing.error().message;
  write("piqa/valid.jsonl", "{}\n");
  EXPECT_EQ(must(locate("piqa", folder_)), folder_ / "piqa/valid.jsonl");
  write("piqa.jsonl", "{}\n");
  EXPECT_EQ(must(locate("piqa", folder_)), folder_ / "piqa.jsonl");
}

}  // namespace
}  // namespace lieq::eval
