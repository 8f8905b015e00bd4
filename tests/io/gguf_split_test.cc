#include <string>

#include <gtest/gtest.h>

#include "lieq/io/gguf.h"
#include "tests/io/build_files.h"

namespace lieq::io {
namespace {

std::string part(const std::string& tensor, std::uint16_t number, std::uint16_t count, std::int32_t tensors = 3) {
  return GgufBytes()
      .key("split.no", 2, raw(number))
      .key("split.count", 2, raw(count))
      .key("split.tensors.count", 5, raw(tensors))
      .tensor(tensor, {4}, 0, 0)
      .bytes(16);
}

class Split : public ::testing::Test {
 protected:
  Split() {
    folder.write("m-00001-of-00003.gguf", part("a", 0, 3));
    folder.write("m-00002-of-00003.gguf", part("b", 1, 3));
    folder.write("m-00003-of-00003.gguf", part("c", 2, 3));
  }
  [[nodiscard]] Error error_of(const std::string& name) const {
    const auto gguf = open_gguf(folder.path() / name);
    return gguf ? Error{ErrorCode::kIo, "no error"} : gguf.error();
  }
  void expect_error(const std::string& expected, ErrorCode code,
                    const std::string& name = "m-00001-of-00003.gguf") const {
    const Error error = error_of(name);
    EXPECT_NE(error.message.find(expected), std::string::npos) << error.message;
    EXPECT_EQ(error.code, code) << error.message;
  }
  TemporaryFolder folder;
};

TEST_F(Split, OpensAllPartsByTheFirst) {
  const auto gguf = open_gguf(folder.path() / "m-00001-of-00003.gguf");
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->tensors.all().size(), 3U);
  EXPECT_EQ(gguf->tensors.find("c")->file, (folder.path() / "m-00003-of-00003.gguf").string());
  EXPECT_EQ(gguf->tensors.find("c")->data[15], std::byte{1});
  EXPECT_EQ(gguf->count("split.no").value(), std::optional<std::uint64_t>(0));
}

TEST_F(Split, NamesAMissingPart) {
  std::filesystem::remove(folder.path() / "m-00002-of-00003.gguf");
  expect_error("m-00001-of-00003.gguf: part 'm-00002-of-00003.gguf' is missing", ErrorCode::kNotFound);
}

TEST_F(Split, AsksForTheFirstPart) {
  expect_error("found part 2 of 3 of a split model, expected the first (...-00001-of-00003.gguf)",
               ErrorCode::kInvalidArgument, "m-00002-of-00003.gguf");
}

TEST_F(Split, RefusesAPartOfAnotherSetOrNumber) {
  folder.write("m-00002-of-00003.gguf", part("b", 2, 3));
  expect_error("m-00002-of-00003.gguf: key 'split.no': found 2, expected 1", ErrorCode::kInvalidFormat);
  folder.write("m-00002-of-00003.gguf", part("b", 1, 2));
  expect_error("m-00002-of-00003.gguf: key 'split.count': found 2, expected 3", ErrorCode::kInvalidFormat);
  folder.write("m-00002-of-00003.gguf", GgufBytes().tensor("b", {4}, 0, 0).bytes(16));
  expect_error("m-00002-of-00003.gguf: key 'split.no': found none, expected 1", ErrorCode::kInvalidFormat);
}

TEST_F(Split, RefusesATensorInTwoParts) {
  folder.write("m-00003-of-00003.gguf", part("a", 2, 3));
  expect_error("m-00003-of-00003.gguf: tensor 'a': is also in ", ErrorCode::kInvalidFormat);
}

TEST_F(Split, RefusesAWrongTensorCount) {
  folder.write("m-00001-of-00003.gguf", part("a", 0, 3, 4));
  expect_error("key 'split.tensors.count': found 4, but all parts together hold 3", ErrorCode::kInvalidFormat);
}

TEST_F(Split, RefusesANameThatHidesTheOtherParts) {
  std::filesystem::copy_file(folder.path() / "m-00001-of-00003.gguf", folder.path() / "renamed.gguf");
  expect_error("renamed.gguf: key 'split.count': found 3, expected a file name that ends in '-00001-of-00003.gguf'",
               ErrorCode::kInvalidFormat, "renamed.gguf");
}

TEST_F(Split, ASinglePartNeedsNoName) {
  folder.write("one.gguf", part("a", 0, 1));
  EXPECT_EQ(error_of("one.gguf").message, "no error");
}

}  // namespace
}  // namespace lieq::io
