#include "lieq/base/records.h"

#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace lieq {
namespace {

EvalRecord example() {
  EvalRecord record;
  record.model = "models/tiny";
  record.text = "wiki.txt";
  record.protocol = "gptq";
  record.compute = "fp32";
  record.window = 2048;
  record.num_tokens = std::numeric_limits<std::uint64_t>::max();
  record.nll = 0.1;  // no binary fraction: the round trip must keep every bit
  record.perplexity = 1.1051709180756477;
  record.perplexity_stderr = 1e-17;
  record.code_bits = 2.05;
  record.true_bits = 2.3828125;
  record.file_bytes = 123456789012345;
  return record;
}

void expect_equal(const EvalRecord& a, const EvalRecord& b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.protocol, b.protocol);
  EXPECT_EQ(a.compute, b.compute);
  EXPECT_EQ(a.window, b.window);
  EXPECT_EQ(a.num_tokens, b.num_tokens);
  EXPECT_EQ(a.nll, b.nll);
  EXPECT_EQ(a.perplexity, b.perplexity);
  EXPECT_EQ(a.perplexity_stderr, b.perplexity_stderr);
  EXPECT_EQ(a.code_bits, b.code_bits);
  EXPECT_EQ(a.true_bits, b.true_bits);
  EXPECT_EQ(a.file_bytes, b.file_bytes);
  EXPECT_EQ(a.kl, b.kl);
  EXPECT_EQ(a.top1, b.top1);
}

Result<EvalRecord> round_trip(const EvalRecord& record) {
  const auto json = parse_json(to_json(record).dump(), "results.json");
  if (!json) return Unexpected(json.error());
  return eval_record_from_json(*json, "results.json");
}

TEST(EvalRecord, RoundTripsThroughText) {
  EvalRecord record = example();
  const auto without_reference = round_trip(record);
  ASSERT_TRUE(without_reference) << without_reference.error().message;
  expect_equal(*without_reference, record);

  record.kl = 0.0;
  record.top1 = 0.9375;
  const auto with_reference = round_trip(record);
  ASSERT_TRUE(with_reference) << with_reference.error().message;
  expect_equal(*with_reference, record);
}

TEST(EvalRecord, NamesTheFieldThatIsMissingOrWrong) {
  Json json = to_json(example());
  json.erase("nll");
  const auto missing = eval_record_from_json(json, "results.json");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kInvalidFormat);
  EXPECT_EQ(missing.error().message, "results.json: field 'nll': missing, expected a number");

  json = to_json(example());
  json["window"] = "2048";
  const auto wrong = eval_record_from_json(json, "results.json");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message,
            "results.json: field 'window': found \"2048\", expected an integer of at least 0");
  EXPECT_FALSE(eval_record_from_json(Json::array(), "results.json"));
}

}  // namespace
}  // namespace lieq
