#include "lieq/eval/journal.h"

#include "tests/support/golden.h"

namespace lieq::eval {
namespace {

using test::must;

class JournalFile : public testing::Test {
 protected:
  JournalFile()
      : file_(testing::TempDir() + "journal_" + testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove(file_);
  }
  ~JournalFile() override { std::filesystem::remove(file_); }
  std::filesystem::path file_;
};

TEST_F(JournalFile, GoesOnAfterACutLine) {
  {
    Journal journal = must(Journal::open(file_, "run 1"));
    must(journal.append(3, Json({1.5, true})).map([] { return 0; }));
    must(journal.append(7, Json({2})).map([] { return 0; }));
  }
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 1);
  Journal journal = must(Journal::open(file_, "run 1"));
  ASSERT_TRUE(journal.find(3));
  EXPECT_EQ(*journal.find(3), Json({1.5, true}));
  EXPECT_FALSE(journal.find(7));
  EXPECT_FALSE(journal.find(0));
  must(journal.append(7, Json({4})).map([] { return 0; }));
  const Journal third = must(Journal::open(file_, "run 1"));
  EXPECT_EQ(*third.find(7), Json({4}));
  EXPECT_TRUE(third.find(3));
}

TEST_F(JournalFile, AnotherRunStartsAnew) {
  must(must(Journal::open(file_, "run 1")).append(0, 1).map([] { return 0; }));
  EXPECT_FALSE(must(Journal::open(file_, "run 2")).find(0));
  std::ofstream(file_) << "not a journal\n{\"part\": 0, \"value\": 1}\n";
  EXPECT_FALSE(must(Journal::open(file_, "run 1")).find(0));
}

TEST_F(JournalFile, RemovesItself) {
  Journal journal = must(Journal::open(file_, "run"));
  EXPECT_TRUE(std::filesystem::exists(file_));
  journal.remove();
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST(Journal, WithoutAPathKeepsNothing) {
  Journal journal = must(Journal::open({}, ""));
  must(journal.append(0, 1).map([] { return 0; }));
  EXPECT_FALSE(journal.find(0));
}

}  // namespace
}  // namespace lieq::eval
