#include "lieq/pipeline/calibrate.h"

#include <algorithm>
#include <fstream>
#include <span>

#include "lieq/eval/generate.h"
#include "lieq/eval/generation_config.h"
#include "lieq/pipeline/builtin_text.h"
#include "lieq/pipeline/calibration_sources.h"
#include "lieq/pipeline/preview.h"
#include "lieq/pipeline/smoke_test.h"
#include "lieq/pipeline/sources.h"
#include "lieq/save/pruned_folder.h"
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
  options.source = "self";
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
  options.windows = 2;
  options.window = 64;
  Cancel cancel("sampling calibration text", 3);
  const auto made = calibrate(*bundle_, options, threads_, cancel);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kCancelled);
}

TEST_F(Text, SourcesGiveAsManyWindowsInTurn) {
  CalibrationOptions options = short_text();
  options.windows = 3;
  std::vector<std::vector<text::TokenId>> alone;
  for (const std::string& source : {text(), std::string("builtin"), std::string("self")}) {
    CalibrationOptions one = options;
    one.source = source;
    one.windows = source == "self" ? 2 : 1;  // what it gets of four
    const auto made = calibrate(*bundle_, one, threads_, sink_);
    ASSERT_TRUE(made) << made.error().message;
    alone.push_back(made->ids);
  }
  options.source = text() + ",builtin,self";
  options.windows = 4;
  const auto made = calibrate(*bundle_, options, threads_, sink_);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->ids.size(), 4 * 64);
  ASSERT_EQ(made->parts.size(), 3);
  std::vector<text::TokenId> expected;
  for (const auto& ids : alone) expected.insert(expected.end(), ids.begin(), ids.begin() + 64);
  EXPECT_TRUE(std::ranges::equal(expected, std::span(made->ids).first(3 * 64)));
  EXPECT_EQ(made->held_out.size(), 3 * 64);  // one of each
  EXPECT_EQ(made->parts[0].windows, 1);
  EXPECT_EQ(made->parts[2].windows, 2);
  EXPECT_EQ(made->parts[1].hash, hash_of(alone[1]));
}

TEST_F(Text, NamesThatAreNoneAreRefused) {
  CalibrationOptions options = short_text();
  for (const char* source : {"", "builtin,", "self,builtin,self"}) {
    options.source = source;
    const auto made = calibrate(*bundle_, options, threads_, sink_);
    ASSERT_FALSE(made) << source;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
  }
  // Files are read before the model writes: this sink would end that.
  Cancel writing("sampling calibration text", 0);
  options.source = "self," + (folder_ / "nowhere.txt").string();
  const auto missing = calibrate(*bundle_, options, threads_, writing);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  options.source = "builtin,self";
  options.windows = 1;
  EXPECT_FALSE(calibrate(*bundle_, options, threads_, sink_));
}

TEST_F(Text, AFileWithACommaIsAFile) {
  const std::string name = (folder_ / "builtin,self").string();
  EXPECT_EQ(*texts_in(name), (std::vector<std::string>{(folder_ / "builtin").string(), "self"}));
  std::ofstream(name) << "x";
  EXPECT_EQ(*texts_in(name), std::vector<std::string>{name});
}

TEST_F(Text, TheBuiltinTextHoldsAllKindsThroughout) {
  const std::vector<text::TokenId> ids = builtin_tokens(*bundle_);
  EXPECT_GT(ids.size(), 50'000);
  for (const std::size_t begin : {std::size_t{0}, ids.size() / 2}) {
    const std::string part =
        bundle_->tokenizer.decode(std::span(ids).subspan(begin, ids.size() / 4), text::SpecialText::kKeep);
    for (const char* one : {"std::", "import ", "Question: ", "Answer: ", " which "})
      EXPECT_NE(part.find(one), std::string::npos) << one << " from " << begin;
  }
  // Markers in it would be special tokens of some models.
  const Calibration whole{
      .source = "builtin", .window = ids.size(), .ids = ids, .held_out = {}, .validation = {}, .parts = {}};
  EXPECT_TRUE(warnings_of(describe(whole, *bundle_)).empty());
}

TEST_F(Text, ConversationsFollowTheTemplate) {
  std::filesystem::copy(demo(), folder_ / "chat");
  std::ofstream(folder_ / "chat/chat_template.jinja")
      << "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt "
         "%}<assistant>{% endif %}";
  const auto chat = load_bundle((folder_ / "chat").string(), threads_, sink_);
  ASSERT_TRUE(chat) << chat.error().message;
  const Rendering rendering(*chat), plain(*bundle_);
  EXPECT_TRUE(rendering.has_template());
  EXPECT_FALSE(plain.has_template());
  const OrderedJson messages = OrderedJson::array({{{"role", "user"}, {"content", "Why?"}}});
  const auto said = [&](const Rendering& how) {
    return bundle_->tokenizer.decode(how.chat(messages, true), text::SpecialText::kKeep);
  };
  EXPECT_EQ(said(rendering), "<user>Why?</><assistant>");
  EXPECT_EQ(said(plain), "Question: Why?\n\nAnswer:");
  const std::vector<text::TokenId> ids = builtin_tokens(*chat);
  EXPECT_NE(chat->tokenizer.decode(ids, text::SpecialText::kKeep).find("<user>Why is the sky blue?</><assistant>"),
            std::string::npos);
}

TEST_F(Text, TheSmokeTestTellsCirclesFromText) {
  const auto same = smoke_test(*bundle_, bundle_->model, threads_, sink_);
  ASSERT_TRUE(same) << same.error().message;
  ASSERT_EQ(same->answers.size(), 4);  // the demo model has no chat template
  EXPECT_FALSE(same->failed());
  EXPECT_EQ(same->made_repeats, same->original_repeats);
  EXPECT_EQ(same->answers[0].made, same->answers[0].original);
  EXPECT_FALSE(same->answers[0].made.empty());
  // Prompts run side by side, with what each would give alone.
  model::RunState state(bundle_->model, threads_, kernels::Compute::kInt8);
  const eval::GenerateOptions options{.max_new_tokens = 64, .stop_tokens = eval::stop_tokens(*bundle_, {})};
  for (const SmokeAnswer& answer : same->answers) {
    const std::vector<text::TokenId> prompt = Rendering(*bundle_).text(answer.prompt);
    eval::Sequence sequence(bundle_->model.config, prompt.size() + 64);
    const auto alone = eval::generate(bundle_->model, prompt, options, state, sequence, [](auto) { return true; });
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_EQ(bundle_->tokenizer.decode(alone->tokens, text::SpecialText::kKeep), answer.original);
  }
  // Without its middle layers it says one thing over and over.
  const std::size_t ends[] = {0, 11};
  const auto broken = smoke_test(*bundle_, save::keep_layers(bundle_->model, ends), threads_, sink_);
  ASSERT_TRUE(broken) << broken.error().message;
  EXPECT_NE(broken->answers[0].made, broken->answers[0].original);
  SmokeTest circles = *same;
  circles.made_repeats = circles.original_repeats + 0.3;
  EXPECT_TRUE(circles.failed());
  EXPECT_TRUE(to_json(circles)["failed"].get<bool>());
}

}  // namespace
}  // namespace lieq::pipeline
