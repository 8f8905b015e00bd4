#include "lieq/io/safetensors.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/io/build_files.h"

namespace lieq::io {
namespace {

std::string error_of(const std::string& bytes) {
  const auto set = parse_safetensors(as_bytes(bytes), "m.safetensors");
  return set ? "no error" : set.error().message;
}
std::string error_of(const std::string& header, std::size_t data_bytes) {
  return error_of(safetensors(header, data_bytes));
}

TEST(Safetensors, ReadsTensorsInAnyOrderWithMetadata) {
  const std::string bytes = safetensors(
      R"({"b": {"dtype": "F16", "shape": [3], "data_offsets": [24, 30]}, "__metadata__": {"format": "pt"},)"
      R"( "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}   )", 30);
  const auto set = parse_safetensors(as_bytes(bytes), "m.safetensors");
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->all().size(), 2U);
  const Tensor* a = set->find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->name, "a");
  EXPECT_EQ(a->type, DType::kF32);
  EXPECT_EQ(a->shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(a->data.size(), 24U);
  EXPECT_EQ(a->file, "m.safetensors");
  EXPECT_EQ(set->find("b")->data.data(), a->data.data() + 24);
  EXPECT_EQ(reinterpret_cast<const char*>(a->data.data()), bytes.data() + bytes.size() - 30);
  EXPECT_EQ(set->find("__metadata__"), nullptr);
}

TEST(Safetensors, TakesScalarsEmptyTensorsAndEmptyFiles) {
  EXPECT_EQ(error_of(R"({"s": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}})", 8), "no error");
  EXPECT_EQ(error_of(R"({"e": {"dtype": "F32", "shape": [0, 5], "data_offsets": [4, 4]},)"
                     R"( "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 4),
            "no error");
  EXPECT_EQ(error_of("{}", 0), "no error");
}

TEST(Safetensors, TakesEveryDtype) {
  for (const char* name : {"F32", "F16", "BF16", "F64", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL",
                           "F8_E4M3", "F8_E5M2"}) {
    std::size_t size = 1;
    for (const char* wide : {"16", "32", "64"}) {
      if (std::string(name).ends_with(wide)) size = std::stoul(wide) / 8;
    }
    const std::string n = std::to_string(2 * size);
    const std::string header =
        std::string(R"({"t": {"dtype": ")") + name + R"(", "shape": [2], "data_offsets": [0, )" + n + "]}}";
    EXPECT_EQ(error_of(header, 2 * size), "no error") << name;
  }
}

TEST(Safetensors, MessageNamesFileTensorFoundAndExpected) {
  EXPECT_EQ(error_of(R"({"lm_head.weight": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 40]}})", 40),
            "m.safetensors: tensor 'lm_head.weight': data_offsets [0, 40] hold 40 bytes, expected 48 "
            "(shape [3, 4] x F32)");
}

TEST(Safetensors, MessagesStayOneShortLine) {
  const std::string name = "a\\n\\u001b" + std::string(5000, 'x');
  std::string shape = "1";
  for (int i = 0; i < 5000; ++i) shape += ", 1";
  const std::string error =
      error_of("{\"" + name + R"(": {"dtype": "F32", "shape": [)" + shape + R"(], "data_offsets": [0, 3]}})", 3);
  EXPECT_NE(error.find("hold 3 bytes, expected 4"), std::string::npos) << error;
  EXPECT_EQ(error.find_first_of("\n\x1b"), std::string::npos);
  EXPECT_LT(error.size(), 400U);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string bytes = safetensors(R"({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}})", 24);
  EXPECT_EQ(error_of(bytes), "no error");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(error_of(bytes.substr(0, size)), "no error") << size;
  EXPECT_NE(error_of(bytes + "x"), "no error");
}

TEST(Safetensors, UnknownDtypeIsUnsupported) {
  const std::string bytes = safetensors(R"({"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}})", 1);
  const auto set = parse_safetensors(as_bytes(bytes), "m");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(set.error().message.find("BF16"), std::string::npos) << set.error().message;
}

TEST(OpenSafetensors, KeepsTheMappingAlive) {
  const TemporaryFolder folder;
  const auto file = folder.write("m.safetensors", safetensors(
      R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}})", 4));
  auto opened = open_safetensors(file);
  ASSERT_TRUE(opened) << opened.error().message;
  const TensorSet set = std::move(*opened);
  EXPECT_EQ(set.find("a")->data[3], std::byte{1});
  EXPECT_EQ(set.file_bytes(), std::filesystem::file_size(file));
}

}  // namespace
}  // namespace lieq::io
