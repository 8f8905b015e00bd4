#include "lieq/io/gguf.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/io/build_files.h"

namespace lieq::io {
namespace {

enum Type : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };
enum TensorNumber : std::uint32_t {
  kTensorF32 = 0, kTensorQ4_0 = 2, kTensorNvfp4 = 40, kTensorI32 = 26, kTensorQ2_0 = 42,
};

std::string array(std::uint32_t type, std::uint64_t count, const std::string& elements) {
  return raw(type) + raw(count) + elements;
}

std::string gguf_error(const std::string& bytes) {
  const auto gguf = parse_gguf(as_bytes(bytes), "m.gguf");
  return gguf ? "no error" : gguf.error().message;
}

TEST(Gguf, ReadsEveryScalarType) {
  GgufBytes b;
  b.key("u8", kU8, raw(std::uint8_t{255})).key("i8", kI8, raw(std::int8_t{-1}));
  b.key("u16", kU16, raw(std::uint16_t{65535})).key("i16", kI16, raw(std::int16_t{-2}));
  b.key("u32", kU32, raw(std::uint32_t{7})).key("i32", kI32, raw(std::int32_t{-3}));
  b.key("u64", kU64, raw(std::uint64_t{1} << 63)).key("i64", kI64, raw(std::int64_t{5}));
  b.key("f32", kF32, raw(0.5F)).key("f64", kF64, raw(0.1)).key("yes", kBool, "\1").key("s", kString, b.string("ab"));
  const std::string bytes = b.bytes(0);
  const auto g = parse_gguf(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->count("u8").value(), std::optional<std::uint64_t>(255));
  EXPECT_EQ(g->count("u16").value(), std::optional<std::uint64_t>(65535));
  EXPECT_EQ(g->count("u64").value(), std::optional<std::uint64_t>(std::uint64_t{1} << 63));
  EXPECT_EQ(g->count("i64").value(), std::optional<std::uint64_t>(5));
  EXPECT_EQ(g->number("i8").value(), std::optional<double>(-1));
  EXPECT_EQ(g->number("i16").value(), std::optional<double>(-2));
  EXPECT_EQ(g->number("i32").value(), std::optional<double>(-3));
  EXPECT_EQ(g->number("u32").value(), std::optional<double>(7));
  EXPECT_EQ(g->number("f32").value(), std::optional<double>(0.5));
  EXPECT_EQ(g->number("f64").value(), std::optional<double>(0.1));
  EXPECT_EQ(g->boolean("yes").value(), std::optional<bool>(true));
  EXPECT_EQ(g->string("s").value(), std::optional<std::string_view>("ab"));
  const char* s = g->string("s").value()->data();
  EXPECT_TRUE(s >= bytes.data() && s < bytes.data() + bytes.size()) << "not a view of the file";
}

TEST(Gguf, ReadsArrays) {
  GgufBytes b;
  b.key("u", kArray, array(kU16, 2, raw(std::uint16_t{1}) + raw(std::uint16_t{65535})));
  b.key("i", kArray, array(kI32, 2, raw(std::int32_t{-1}) + raw(std::int32_t{2})));
  b.key("f", kArray, array(kF32, 1, raw(-1.5F))).key("b", kArray, array(kBool, 3, std::string("\0\1\1", 3)));
  b.key("s", kArray, array(kString, 2, b.string("") + b.string("xyz"))).key("none", kArray, array(kString, 0, ""));
  const std::string bytes = b.bytes(0);
  const auto g = parse_gguf(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(std::get<std::vector<std::uint64_t>>(*g->find("u")), (std::vector<std::uint64_t>{1, 65535}));
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(*g->find("i")), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(std::get<std::vector<double>>(*g->find("f")), (std::vector<double>{-1.5}));
  EXPECT_EQ(std::get<std::vector<bool>>(*g->find("b")), (std::vector<bool>{false, true, true}));
  EXPECT_EQ(*g->strings("s").value(), (std::vector<std::string_view>{"", "xyz"}));
  EXPECT_TRUE(g->strings("none").value()->empty());
  EXPECT_EQ(g->strings("absent").value(), nullptr);
}

TEST(Gguf, AccessNamesFoundAndExpected) {
  GgufBytes b;
  b.key("s", kString, b.string("a\nb")).key("neg", kI32, raw(std::int32_t{-3})).key("f", kF32, raw(1.5F));
  b.key("l", kArray, array(kU8, 3, "abc")).key("b", kBool, std::string(1, '\0'));
  const std::string bytes = b.bytes(0);
  const auto g = parse_gguf(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(g) << g.error().message;
  const auto message = [](const auto& result) { return result ? "no error" : result.error().message; };
  EXPECT_EQ(message(g->count("s")), "m.gguf: key 's': found the string 'a\\x0ab', expected an integer of at least 0");
  EXPECT_EQ(message(g->count("neg")), "m.gguf: key 'neg': found -3, expected an integer of at least 0");
  EXPECT_EQ(message(g->count("f")), "m.gguf: key 'f': found the number 1.500000, expected an integer of at least 0");
  EXPECT_EQ(message(g->number("l")), "m.gguf: key 'l': found an array of 3, expected a number");
  EXPECT_EQ(message(g->boolean("neg")), "m.gguf: key 'neg': found -3, expected a boolean");
  EXPECT_EQ(message(g->string("b")), "m.gguf: key 'b': found false, expected a string");
  EXPECT_EQ(message(g->strings("l")), "m.gguf: key 'l': found an array of 3, expected an array of strings");
  EXPECT_EQ(g->count("absent").value(), std::nullopt);
  EXPECT_EQ(g->number("absent").value(), std::nullopt);
  EXPECT_EQ(g->boolean("absent").value(), std::nullopt);
  EXPECT_EQ(g->string("absent").value(), std::nullopt);
}

TEST(Gguf, ReversesShapesAndPlacesTensors) {
  const std::string bytes = GgufBytes()
                                .tensor("w", {64, 3}, kTensorQ4_0, 32)  // 108 bytes
                                .tensor("v", {5}, kTensorF32, 0)
                                .tensor("i", {2, 1, 3, 1}, kTensorI32, 160)
                                .tensor("q", {64}, kTensorQ2_0, 192)
                                .bytes(210);
  const auto g = parse_gguf(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(g) << g.error().message;
  const Tensor* w = g->tensors.find("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->shape, (std::vector<std::size_t>{3, 64}));
  EXPECT_EQ(w->type, DType::kQ4_0);
  EXPECT_EQ(w->data.size(), 108U);
  EXPECT_EQ(reinterpret_cast<const char*>(w->data.data()), bytes.data() + bytes.size() - 210 + 32);
  EXPECT_EQ(g->tensors.find("i")->shape, (std::vector<std::size_t>{1, 3, 1, 2}));
  EXPECT_EQ(g->tensors.find("q")->data.size(), 18U);
}

TEST(Gguf, FollowsTheAlignmentKey) {
  GgufBytes b;
  b.key("general.alignment", kU32, raw(std::uint32_t{8})).tensor("v", {2}, kTensorF32, 8);
  const std::string bytes = b.bytes(16, 8);
  const auto g = parse_gguf(as_bytes(bytes), "m.gguf");
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(reinterpret_cast<const char*>(g->tensors.find("v")->data.data()), bytes.data() + bytes.size() - 8);
  for (const std::uint32_t wrong : {0U, 1U, 4U, 12U, 33U, 0x80000001U}) {
    GgufBytes c;
    c.key("general.alignment", kU32, raw(wrong)).tensor("v", {2}, kTensorF32, 0);
    EXPECT_NE(gguf_error(c.bytes(64)).find("expected a power of two of at least 8"), std::string::npos) << wrong;
  }
  for (const std::uint64_t huge : {std::uint64_t{1} << 40, std::uint64_t{1} << 63}) {
    GgufBytes c;
    c.key("general.alignment", kU64, raw(huge)).tensor("v", {2}, kTensorF32, 0);
    EXPECT_NE(gguf_error(c.bytes(64)), "no error") << huge;
  }
}

TEST(Gguf, RefusesOverlapsButNotGaps) {
  const auto two = [](std::uint64_t first, std::uint64_t second) {
    return gguf_error(GgufBytes().tensor("a", {16}, kTensorF32, first).tensor("b", {16}, kTensorF32, second).bytes(256));
  };
  EXPECT_EQ(two(0, 64), "no error");
  EXPECT_EQ(two(128, 0), "no error");
  EXPECT_EQ(two(0, 32), "m.gguf: tensor 'b': offset 32: overlaps tensor 'a', which ends at 64");
  EXPECT_EQ(two(64, 64).substr(0, 16), "m.gguf: tensor '");
  EXPECT_NE(two(64, 64).find("overlaps"), std::string::npos);
}

TEST(Gguf, NamesUnsupportedTypes) {
  const std::string error = gguf_error(GgufBytes().tensor("w", {256}, kTensorNvfp4, 0).bytes(256));
  EXPECT_EQ(error.rfind("m.gguf: tensor 'w': type: found NVFP4, expected one of F32, F16, Q4_0", 0), 0U) << error;
  EXPECT_NE(error.find("Q2_0"), std::string::npos) << error;
  EXPECT_NE(gguf_error(GgufBytes().tensor("w", {256}, 4, 0).bytes(256)).find("found number 4"), std::string::npos);
  EXPECT_NE(gguf_error(GgufBytes().tensor("w", {256}, 4000000000U, 0).bytes(256)).find("found number 4000000000"),
            std::string::npos);
}

TEST(Gguf, EveryTruncationIsRefused) {
  GgufBytes b;
  b.key("general.name", kString, b.string("tiny")).key("t", kArray, array(kString, 2, b.string("a") + b.string("b")));
  b.key("n", kU32, raw(std::uint32_t{7})).tensor("w", {32, 2}, kTensorQ4_0, 0);
  const std::string bytes = b.bytes(36);
  EXPECT_EQ(gguf_error(bytes), "no error");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(gguf_error(bytes.substr(0, size)), "no error") << size;
}

TEST(Gguf, ReadsALargeVocabularyInMilliseconds) {
  constexpr std::uint64_t kTokens = 150000;
  std::string tokens;
  for (std::uint64_t i = 0; i < kTokens; ++i) tokens += GgufBytes::string("token" + std::to_string(i));
  const std::string bytes = GgufBytes().key("tokenizer.ggml.tokens", kArray, array(kString, kTokens, tokens)).bytes(0);
  const auto start = std::chrono::steady_clock::now();
  const auto g = parse_gguf(as_bytes(bytes), "m.gguf");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(g) << g.error().message;
  const auto* all = g->strings("tokenizer.ggml.tokens").value();
  ASSERT_EQ(all->size(), kTokens);
  EXPECT_EQ(all->back(), "token149999");
  EXPECT_LT(seconds.count(), 0.5);  // measured: 2 ms; generous for sanitizers and busy machines
}

}  // namespace
}  // namespace lieq::io
