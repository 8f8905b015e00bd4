#include "lieq/pipeline/plan.h"

#include <algorithm>

#include "lieq/pipeline/estimate.h"
#include "tests/pipeline/small.h"

namespace lieq::pipeline {
namespace {

std::size_t count(const BitPlan& plan, int bits) {
  return static_cast<std::size_t>(std::ranges::count(plan.layers, bits, &LayerPlan::bits));
}

TEST_F(Job, WithoutABudgetThePaperSIsTaken) {
  const auto job = Quantization::prepare(short_job("q"), threads_, sink_);
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(count(job->plan(), 4), 1);
  EXPECT_EQ(count(job->plan(), 2), job->plan().layers.size() - 1);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));  // nothing is written before run()
}

TEST_F(Job, AUniformBudgetMeasuresNothing) {
  QuantizeOptions options = short_job("q");
  options.plan.budget = Budget{Budget::Kind::kTop, 0};
  Cancel diagnosis("geometry", 0);  // any diagnosis would end the job
  const auto job = Quantization::prepare(options, threads_, diagnosis);
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(count(job->plan(), 2), job->plan().layers.size());
}

TEST_F(Job, APlanBesideABudgetIsRefused) {
  QuantizeOptions options = short_job("q");
  options.plan.budget = kPaperBudget;
  options.plan.plan_file = "plan.json";
  const auto job = Quantization::prepare(options, threads_, sink_);
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, ErrorCode::kInvalidArgument);
}

/// Shares of KL come with the plan, and the model that is made has its widths.
TEST_F(Job, LinearsGetWidthsOfTheirOwn) {
  QuantizeOptions options = short_job("q");
  options.plan.budget = kPaperBudget;
  options.plan.ranking = allocate::Ranking::kKlShare;
  options.plan.unit = allocate::Unit::kLinear;
  options.plan.choices = {2, 3, 4};
  auto job = Quantization::prepare(options, threads_, sink_);
  ASSERT_TRUE(job) << job.error().message;
  const BitPlan plan = job->plan();
  EXPECT_TRUE(std::ranges::any_of(plan.layers, [](const LayerPlan& layer) { return !layer.linears.empty(); }));
  EXPECT_LE(size_of(plan).code_bits, 2 + 2.0 / static_cast<double>(plan.layers.size()));
  const auto record = job->run();
  ASSERT_TRUE(record) << record.error().message;
  const auto& scores = record->provenance["scores"];
  EXPECT_EQ(scores["kl_shares"]["bits"], 2);
  EXPECT_GT(scores["kl_shares"]["kl"], 0);
  EXPECT_TRUE(layer_scores_from_json(*parse_json(scores.dump(), "scores"), "scores"));
  Sink quiet;
  const auto made = model::Model::load(options.output, threads_, quiet);
  ASSERT_TRUE(made) << made.error().message;
  for (std::size_t l = 0; l < plan.layers.size(); ++l)
    for (const model::LinearModule& module : linear_modules(made->config))
      EXPECT_EQ(made->layers[l].linear(module.linears.front()).weight.packed->bits(),
                static_cast<unsigned>(plan.layers[l].bits_of(name_in_layer(module))))
          << l << " " << module.pattern;
  options.plan.plan = plan;  // the same by hand
  options.plan.plan->layers[1].linears["mlp.side_proj"] = {4, 64};
  options.plan.budget.reset();
  options.output += "2";
  const auto refused = Quantization::prepare(options, threads_, sink_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "plan: layer 1: linears: found 'mlp.side_proj', expected some of self_attn.q_proj, self_attn.k_proj, "
            "self_attn.v_proj, self_attn.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj");
}

TEST(CheckDisk, RefusesWhatDoesNotFitAndCountsWhatLiesThere) {
  Estimate estimate;
  estimate.disk = 1000;
  EXPECT_TRUE(check_disk(estimate, 0, "q"));  // the system does not say what is free
  estimate.disk_free = 600;
  const auto refused = check_disk(estimate, 0, "q");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_TRUE(refused.error().message.starts_with("q: "));
  EXPECT_TRUE(check_disk(estimate, 400, "q"));
  EXPECT_TRUE(check_disk(estimate, 5000, "q"));
}

}  // namespace
}  // namespace lieq::pipeline
