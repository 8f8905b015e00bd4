#include <string>

#include <gtest/gtest.h>

#include "lieq/io/safetensors.h"
#include "tests/io/build_files.h"
#include "tests/support/quiet.h"

namespace lieq::io {
namespace {

std::string one_tensor(const std::string& name) {
  return safetensors("{\"" + name + R"(": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}})", 4);
}

std::string error_of(const TemporaryFolder& folder) {
  const auto set = open_safetensors_folder(folder.path(), quiet);
  return set ? "no error" : set.error().message;
}

class Sharded : public ::testing::Test {
 protected:
  Sharded() {
    folder.write("s1.safetensors", one_tensor("a"));
    folder.write("s2.safetensors", one_tensor("b"));
    index(R"({"a": "s1.safetensors", "b": "s2.safetensors"})");
  }
  void index(const std::string& weight_map) const {
    folder.write("model.safetensors.index.json",
                 R"({"metadata": {"total_size": 8}, "weight_map": )" + weight_map + "}");
  }
  /// The set opens, and one tensor is in doubt.
  void expect_doubt(const std::string& tensor, const std::string& part) const {
    const auto set = open_safetensors_folder(folder.path(), quiet);
    ASSERT_TRUE(set) << set.error().message;
    ASSERT_EQ(set->doubts().count(tensor), 1U);
    EXPECT_NE(set->doubts().at(tensor).find(part), std::string::npos) << set->doubts().at(tensor);
  }
  void expect_error(const std::string& part) const {
    EXPECT_NE(error_of(folder).find(part), std::string::npos) << error_of(folder);
  }
  TemporaryFolder folder;
};

TEST_F(Sharded, OpensAllShards) {
  const auto set = open_safetensors_folder(folder.path(), quiet);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->all().size(), 2U);
  EXPECT_EQ(set->find("b")->file, (folder.path() / "s2.safetensors").string());
  EXPECT_EQ(set->find("b")->data[0], std::byte{1});
}

/// Keeps what it is told.
struct Heard : Sink {
  std::string all;
  void warn(std::string_view line) override { all.append(line).append("\n"); }
};

TEST_F(Sharded, GoesBeforeASingleFile) {
  folder.write("model.safetensors", one_tensor("c"));
  Heard heard;
  EXPECT_EQ(open_safetensors_folder(folder.path(), heard)->find("c"), nullptr);
  EXPECT_NE(heard.all.find("the shards are read, model.safetensors is left out"), std::string::npos) << heard.all;
}

TEST_F(Sharded, AStaleIndexGivesWayToASingleFile) {
  folder.write("model.safetensors", one_tensor("c"));
  std::filesystem::remove(folder.path() / "s2.safetensors");
  Heard heard;
  const auto set = open_safetensors_folder(folder.path(), heard);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_NE(set->find("c"), nullptr);
  EXPECT_NE(heard.all.find("shard 's2.safetensors' is missing; model.safetensors beside it is read instead"),
            std::string::npos) << heard.all;
}

TEST_F(Sharded, AnIndexOfTheSingleFileIsNoCauseForAWarning) {
  folder.write("model.safetensors", one_tensor("c"));
  index(R"({"c": "model.safetensors"})");
  Heard heard;
  EXPECT_NE(open_safetensors_folder(folder.path(), heard)->find("c"), nullptr);
  EXPECT_EQ(heard.all, "");
}

TEST_F(Sharded, NamesAMissingShard) {
  std::filesystem::remove(folder.path() / "s2.safetensors");
  expect_error("model.safetensors.index.json: shard 's2.safetensors' is missing");
  EXPECT_EQ(open_safetensors_folder(folder.path(), quiet).error().code, ErrorCode::kNotFound);
}

TEST_F(Sharded, NamesATensorMissingFromItsShard) {
  index(R"({"a": "s1.safetensors", "b": "s2.safetensors", "c": "s2.safetensors"})");
  expect_doubt("c", "s2.safetensors: tensor 'c': missing, expected here");
}

TEST_F(Sharded, NamesATensorInAnotherShard) {
  index(R"({"a": "s2.safetensors", "b": "s1.safetensors"})");
  expect_doubt("a", "s2.safetensors: tensor 'a': found in ");
}

TEST_F(Sharded, NamesATensorInTwoShards) {
  folder.write("s2.safetensors", one_tensor("a"));
  expect_error("s2.safetensors: tensor 'a': is also in ");
}

TEST_F(Sharded, NamesATensorThatTheIndexLacks) {
  index(R"({"a": "s1.safetensors", "b2": "s1.safetensors"})");
  folder.write("s1.safetensors", safetensors(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},)"
                                             R"("x": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]},)"
                                             R"("b2": {"dtype": "U8", "shape": [1], "data_offsets": [2, 3]}})", 3));
  expect_doubt("x", "s1.safetensors: tensor 'x': found here, but not in the weight_map");
}

TEST_F(Sharded, RefusesShardNamesThatLeaveTheFolder) {
  for (const char* name : {"../s1.safetensors", "/etc/passwd", "a\\\\b", "", "..", "x\\ny", "sub/s1.safetensors"}) {
    index(std::string(R"({"a": ")") + name + "\"}");
    expect_error("weight_map: tensor 'a': found '");
    expect_error("expected a plain file name");
  }
}

TEST_F(Sharded, RefusesABrokenIndex) {
  index(R"({"a": 5})");
  expect_error("weight_map: tensor 'a': found 5, expected a file name");
  index(R"({"a": "s1.safetensors", "a": "s2.safetensors"})");
  expect_error("key 'a' appears twice");
  index("{}");
  expect_error("names no tensor");
  index("[]");
  expect_error("field 'weight_map': found a list of 0, expected an object");
  folder.write("model.safetensors.index.json", "{}");
  expect_error("field 'weight_map': missing");
  folder.write("model.safetensors.index.json", "[");
  expect_error("not valid JSON");
}

TEST(SafetensorsFolder, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_NE(error_of(folder).find("found neither model.safetensors nor"), std::string::npos);
  const auto none = open_safetensors_folder(folder.path() / "none", quiet);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  folder.write("model.safetensors", one_tensor("a"));
  EXPECT_EQ(error_of(folder), "no error");
}

TEST(OtherNames, OneFileOrOneIndexIsTheModel) {
  TemporaryFolder folder;
  folder.write("gptq_model-4bit-128g.safetensors", one_tensor("a"));
  folder.write("adapter_model.safetensors", one_tensor("x"));
  const auto single = open_safetensors_folder(folder.path(), quiet);
  ASSERT_TRUE(single) << single.error().message;
  EXPECT_NE(single->find("a"), nullptr);
  folder.write("other.safetensors", one_tensor("b"));
  EXPECT_NE(error_of(folder).find("but 2 other files, the first 'gptq_model-4bit-128g.safetensors', expected one"),
            std::string::npos)
      << error_of(folder);
  folder.write("gptq_model-4bit-128g.safetensors.index.json",
               R"({"weight_map": {"a": "gptq_model-4bit-128g.safetensors", "b": "other.safetensors"}})");
  const auto sharded = open_safetensors_folder(folder.path(), quiet);
  ASSERT_TRUE(sharded) << sharded.error().message;
  EXPECT_NE(sharded->find("b"), nullptr);
}

}  // namespace
}  // namespace lieq::io
