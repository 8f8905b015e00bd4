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
