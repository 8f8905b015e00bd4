// Each file of tests/data/hostile tells one lie; expected.json says what its error must name. "via" says who opens it:
// "safetensors" and "gguf" one file, "folder" a folder of shards. "model" is the loader's business (tests/model).

#include <filesystem>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/base/json.h"
#include "lieq/io/gguf.h"
#include "lieq/io/safetensors.h"
#include "tests/support/paths.h"
#include "tests/support/quiet.h"

namespace lieq::io {
namespace {

const std::filesystem::path kData = test::data_dir();
const std::filesystem::path kHostile = kData / "hostile";

struct Lie {
  std::string path, via;
  std::vector<std::string> parts;  ///< each must be in the message
};
void PrintTo(const Lie& lie, std::ostream* out) { *out << lie.path; }

std::vector<Lie> all_lies() {
  const auto json = read_json(kHostile / "expected.json", DuplicateKeys::kRefuse);
  std::vector<Lie> lies;
  if (!json) return lies;
  for (const auto& [path, expected] : json->items()) {
    Lie lie{path, expected.at("via").get<std::string>(), {}};
    const Json& error = expected.at("error");
    if (error.is_string()) {
      lie.parts.push_back(error.get<std::string>());
    } else {
      lie.parts = error.get<std::vector<std::string>>();
    }
    lies.push_back(lie);
  }
  return lies;
}

std::vector<Lie> io_lies() {
  std::vector<Lie> lies;
  for (const Lie& lie : all_lies()) {
    if (lie.via != "model") lies.push_back(lie);
  }
  return lies;
}

Result<void> open(const std::filesystem::path& path, const std::string& via) {
  if (via == "gguf") {
    LIEQ_TRY(open_gguf(path));
  } else if (via == "folder" || via == "doubt") {
    LIEQ_ASSIGN(const TensorSet set, open_safetensors_folder(path, quiet));
    if (via == "doubt" && !set.doubts().empty())
      return fail(ErrorCode::kInvalidFormat, set.doubts().begin()->second);
  } else {
    LIEQ_TRY(open_safetensors(path));
  }
  return {};
}

class Hostile : public ::testing::TestWithParam<Lie> {};

TEST_P(Hostile, GivesItsError) {
  const Lie& lie = GetParam();
  const auto opened = open(kHostile / lie.path, lie.via);
  ASSERT_FALSE(opened) << "was opened";
  const std::string& message = opened.error().message;
  for (const std::string& part : lie.parts) EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(message.rfind(kHostile.string(), 0), 0U) << "does not name the file first: " << message;
  EXPECT_EQ(message.find_first_of("\n\r\t\x1b"), std::string::npos) << "more than one line: " << message;
  EXPECT_LT(message.size() - kHostile.string().size(), 500U) << message;
}

std::string test_name(const ::testing::TestParamInfo<Lie>& info) {
  std::string name = info.param.path;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, Hostile, ::testing::ValuesIn(io_lies()), test_name);

TEST(HostileList, IsCompleteAndSmall) {
  const std::vector<Lie> lies = all_lies();
  EXPECT_GE(lies.size(), 60U);
  std::set<std::string> listed;
  for (const Lie& lie : lies) {
    EXPECT_TRUE(std::filesystem::exists(kHostile / lie.path)) << lie.path;
    EXPECT_TRUE(lie.via == "safetensors" || lie.via == "gguf" || lie.via == "folder" || lie.via == "doubt" ||
                lie.via == "model")
        << lie.path;
    listed.insert(lie.path);
  }
  for (const auto& entry : std::filesystem::directory_iterator(kHostile)) {
    const std::string name = entry.path().filename().string();
    if (name == "expected.json" || name.starts_with("tokenizer_")) continue;
    const auto first = listed.lower_bound(name);  // a file, or a folder with files in the list
    EXPECT_TRUE(first != listed.end() && first->starts_with(name)) << name << " is not in expected.json";
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kHostile)) {
    if (!entry.is_regular_file()) continue;
    EXPECT_LT(entry.file_size(), 64U << 10) << entry.path();
  }
}

TEST(TinyModels, AreSound) {
  const auto folder = open_safetensors_folder(kData / "tiny-llama", quiet);
  EXPECT_TRUE(folder) << folder.error().message;
  const auto gguf = open_gguf(kData / "tiny-llama.gguf");
  EXPECT_TRUE(gguf) << gguf.error().message;
}

}  // namespace
}  // namespace lieq::io
