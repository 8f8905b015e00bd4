#include "lieq/pipeline/calibrate.h"

#include <fstream>

#include "lieq/pipeline/preview.h"
#include "lieq/pipeline/sources.h"
#include "tests/pipeline/small.h"

namespace lieq::pipeline {
namespace {

class Text : public Job {
 protected:
  void SetUp() override {
    Job::SetUp();
    auto loaded = load_bundle(demo(), threads_, sink_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    bundle_.emplace(std::move(*loaded));
  }
  [[nodiscard]] CalibrationFacts facts_of(const std::string& contents, std::size_t windows = 0) {
    std::ofstream(folder_ / "t.txt") << contents;
    CalibrationOptions options = short_text();
    options.source = (folder_ / "t.txt").string();
    const auto made = calibrate(*bundle_, options, threads_, sink_);
    EXPECT_TRUE(made) << made.error().message;
    return describe(*made, *bundle_, windows);
  }

  std::optional<eval::Bundle> bundle_;
};

std::string repeated(const std::string& part, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += part;
  return all;
}

TEST_F(Text, FactsCountWindowsTokensAndVocabulary) {
  const CalibrationFacts facts = facts_of(repeated("In the beginning was the word. ", 400), 2);
  EXPECT_EQ(facts.windows, 4);
  EXPECT_EQ(facts.window, 64);
  EXPECT_EQ(facts.tokens, 256);
  EXPECT_EQ(facts.held_out_windows, 1);
  EXPECT_GT(facts.bytes_per_token, 1);
  EXPECT_LT(facts.distinct_tokens, 20);
  EXPECT_DOUBLE_EQ(facts.vocabulary_share, static_cast<double>(facts.distinct_tokens) /
                                               static_cast<double>(bundle_->model.config.vocab_size));
  ASSERT_EQ(facts.first_windows.size(), 2);
  EXPECT_NE(facts.first_windows[0].find("beginning"), std::string::npos);
  EXPECT_TRUE(warnings_of(facts).empty());
}

TEST_F(Text, MarkersOfAnotherTemplateAreNamed) {
  const CalibrationFacts facts =
      facts_of(repeated("<|im_start|>user\nSay it.<|im_end|>\n[INST] Why? [/INST] a <| b |> c\n", 300));
  for (const char* marker : {"<|im_start|>", "<|im_end|>", "[INST]", "[/INST]"}) {
    const bool whole = bundle_->tokenizer.id_of(marker).has_value();
    EXPECT_EQ(std::ranges::count(facts.cut_markers, marker), whole ? 0 : 1) << marker;
  }
  EXPECT_EQ(std::ranges::count(facts.cut_markers, "<| b |>"), 0);
  EXPECT_FALSE(warnings_of(facts).empty());
}

TEST(CalibrationWarnings, TellOfEachFault) {
  CalibrationFacts facts;
  facts.source = "t.txt";
  facts.windows = 3;
  facts.bos = "<s>";
  facts.windows_with_bos = 0;
  EXPECT_EQ(warnings_of(facts).size(), 1);
  facts.windows_with_bos = 1;
  EXPECT_TRUE(warnings_of(facts).empty());
  facts.doubled_bos = 2;
  ASSERT_EQ(warnings_of(facts).size(), 1);
  EXPECT_NE(warnings_of(facts)[0].find("<s> stands twice in a row in 2 places"), std::string::npos);
}

TEST_F(Text, WithoutACacheNothingIsKept) {
  CalibrationOptions options;
  options.windows = 1;
  options.window = 8;
  const auto made = calibrate(*bundle_, options, threads_, sink_);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->ids.size(), 8);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  options.cache = folder_ / "cache";
  const auto kept = calibrate(*bundle_, options, threads_, sink_);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->ids, made->ids);
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "cache"));
}

TEST_F(Text, SamplingCanBeCancelled) {
  CalibrationOptions options;
  options.windows = 1;
  options.window = 64;
  Cancel cancel("sampling calibration text", 3);
  const auto made = calibrate(*bundle_, options, threads_, cancel);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace lieq::pipeline
