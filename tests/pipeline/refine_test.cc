#include "lieq/pipeline/refine.h"

#include <algorithm>

#include "lieq/base/json.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/pipeline/sources.h"
#include "tests/pipeline/small.h"

namespace lieq::pipeline {
namespace {

constexpr const char* kStage = "refining scales and gains";

class Refine : public Job {
 protected:
  /// Four looks at 128 tokens; rates that a few steps show.
  [[nodiscard]] QuantizeOptions refining(const std::string& name) const {
    QuantizeOptions options = short_job(name);
    options.calibration.windows = 8;
    options.recipe.method = quantize::Method::kRtn;  // much to gain, and quick
    options.refine = RefineOptions{.steps = 6,
                                   .tokens = 256,
                                   .length = 32,
                                   .rate = 0.01,
                                   .warm_up = 2,
                                   .judge_every = 2,
                                   .validation_tokens = 128};
    return options;
  }
};

TEST_F(Refine, LowersTheKlThatItIsJudgedBy) {
  const auto made = quantize(refining("q"), threads_, sink_);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(made->refined);
  const RefineRecord& refined = *made->refined;
  EXPECT_LT(refined.best, 0.95 * refined.start);
  EXPECT_EQ(refined.steps, 6);
  EXPECT_EQ(refined.validation_tokens, 128);
  EXPECT_EQ(refined.trained_tokens, 6 * 256);
  ASSERT_EQ(refined.history.size(), 4);
  for (const auto& [step, kl] : refined.history) EXPECT_GE(kl, refined.best) << step;
  EXPECT_TRUE(made->records[1].model.ends_with("q (refined)")) << made->records[1].model;

  const auto written = read_json(made->output + "/lieq.json");
  ASSERT_TRUE(written);
  EXPECT_EQ((*written)["refine"]["kl"], refined.best);
  EXPECT_EQ((*written)["refine"]["options"]["steps"], 6);
  EvaluateOptions evaluation;
  evaluation.models = {demo(), made->output};
  evaluation.text = text();
  evaluation.window = 64;
  evaluation.chunks = 1;
  const auto records = evaluate(evaluation, threads_, sink_);
  ASSERT_TRUE(records) << records.error().message;
  EXPECT_EQ(records->texts[0].model, "demo");
  EXPECT_EQ(records->texts[1].model, "q (refined)");
}

TEST_F(Refine, GivesTheSameBytesForAnyThreadCountAndWhenCancelled) {
  const auto whole = quantize(refining("whole"), threads_, sink_);
  ASSERT_TRUE(whole) << whole.error().message;
  Threads three(3);
  const auto other = quantize(refining("other"), three, sink_);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(bytes_of(whole->output), bytes_of(other->output));

  // Between two looks: the step after the last one is made again.
  Cancel cancel(kStage, 3);
  const auto cut = quantize(refining("cut"), threads_, cancel);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cut"));
  // In the final table, when all is refined.
  Cancel late("perplexity", 0);
  const auto cut_late = quantize(refining("cut"), threads_, late);
  ASSERT_FALSE(cut_late);
  ASSERT_EQ(late.notes.size(), 2);
  EXPECT_NE(late.notes[1].find("of refining, from"), std::string::npos) << late.notes[1];
  Cancel never("nothing", 1);
  const auto resumed = quantize(refining("cut"), threads_, never);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_NE(never.notes[1].find("going on after step 6 of refining"), std::string::npos) << never.notes[1];
  EXPECT_EQ(bytes_of(whole->output), bytes_of(resumed->output));
  EXPECT_EQ(to_json(*whole->refined), to_json(*resumed->refined));
}

TEST_F(Refine, LeavesWhatItCannotBetter) {
  QuantizeOptions still = refining("still"), wild = refining("wild");
  still.refine->rate = 1e-12;  // changes no stored scale
  still.refine->steps = 1;
  still.refine->gain_share = wild.refine->gain_share = 0;
  wild.refine->rate = 0.1;
  wild.refine->warm_up = 0;
  wild.refine->tokens = 1;  // one sequence
  wild.refine->patience = 1;
  wild.refine->judge_every = 1;
  wild.plan.budget = still.plan.budget = Budget{Budget::Kind::kTop, 12};  // 4 bits: little to gain
  const auto first = quantize(still, threads_, sink_), second = quantize(wild, threads_, sink_);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->refined->best_step, 0);
  EXPECT_EQ(second->refined->steps, 1);
  EXPECT_GT(second->refined->history.back().second, second->refined->start);
  EXPECT_EQ(second->refined->best, second->refined->start);
  EXPECT_EQ(bytes_of(first->output), bytes_of(second->output));
}

TEST_F(Refine, RefusesBeforeTheWork) {
  const auto refusal = [&](const QuantizeOptions& options) {
    const auto made = quantize(options, threads_, sink_);
    EXPECT_FALSE(made);
    EXPECT_FALSE(std::filesystem::exists(options.output + ".partial"));
    return made ? "" : made.error().message;
  };
  QuantizeOptions blocks = refining("q.gguf");
  blocks.recipe.grid = quantize::Grid::kK;
  EXPECT_NE(refusal(blocks).find("--refine: found a K grid, expected sym, skew, asym or half"), std::string::npos);
  QuantizeOptions ordered = refining("q");
  ordered.recipe.method = quantize::Method::kGptq;
  ordered.recipe.act_order = quantize::ActOrder::kDynamic;
  EXPECT_NE(refusal(ordered).find("--refine: found --act-order dynamic"), std::string::npos);
  QuantizeOptions fast = refining("q");
  fast.refine->rate = 1;
  EXPECT_NE(refusal(fast).find("found a rate of 1"), std::string::npos);
  QuantizeOptions other = refining("q");
  Cancel cancel(kStage, 2);
  ASSERT_FALSE(quantize(other, threads_, cancel));
  other.refine->rate = 0.02;
  const auto differs = quantize(other, threads_, sink_);
  ASSERT_FALSE(differs);
  EXPECT_NE(differs.error().message.find("an unfinished run lies here with refine"), std::string::npos)
      << differs.error().message;
}

/// Refining takes nothing from what the final table is scored on.
TEST_F(Refine, ValidationAndHeldOutTextAreApart) {
  const auto bundle = load_bundle(demo(), threads_, sink_);
  ASSERT_TRUE(bundle);
  CalibrationOptions options = short_text();
  const auto plain = calibrate(*bundle, options, threads_, sink_);
  options.validation_tokens = 100;
  const auto made = calibrate(*bundle, options, threads_, sink_);
  ASSERT_TRUE(plain && made);
  EXPECT_TRUE(plain->validation.empty());
  EXPECT_EQ(made->validation.size(), 128);  // whole windows
  EXPECT_EQ(made->held_out, plain->held_out);
  EXPECT_EQ(made->ids.size(), plain->ids.size());
  const auto stands_in = [](const std::vector<text::TokenId>& part, const std::vector<text::TokenId>& all) {
    return std::search(all.begin(), all.end(), part.begin(), part.end()) != all.end();
  };
  EXPECT_FALSE(stands_in({made->validation.begin(), made->validation.begin() + 64}, made->ids));
  EXPECT_FALSE(stands_in(made->held_out, made->validation));
}

}  // namespace
}  // namespace lieq::pipeline
