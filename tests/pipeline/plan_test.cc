#include "lieq/pipeline/plan.h"

#include <algorithm>
#include <memory>

#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/kl_shares.h"
#include "lieq/pipeline/recipe.h"
#include "lieq/pipeline/run_memory.h"
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

/// A number of layers is the paper's way to say a budget; a number of bits says nothing of how it is spent.
TEST_F(Job, BitsAreSpentWhereTheyTakeMostKlAway) {
  using allocate::Ranking, allocate::Unit;
  const eval::Bundle bundle = *eval::Bundle::load(demo(), threads_, sink_);
  const auto spending = [&](const PlanOptions& options, const quantize::Options& recipe = default_recipe()) {
    return spending_of(options, bundle.model, recipe);
  };
  const auto expect = [](const Spending& made, Ranking ranking, Unit unit) {
    EXPECT_EQ(made.ranking, ranking);
    EXPECT_EQ(made.unit, unit);
  };
  PlanOptions options;
  expect(spending(options), Ranking::kScore, Unit::kLayer);
  options.budget = kPaperBudget;
  expect(spending(options), Ranking::kScore, Unit::kLayer);
  options.budget = Budget{Budget::Kind::kTrueBits, 2.5};
  expect(spending(options), Ranking::kKlShare, Unit::kFused);
  EXPECT_NE(spending(options).note.find("--per layer"), std::string::npos);
  quantize::Options awq = default_recipe();
  awq.method = quantize::Method::kAwq;
  for (const quantize::Options& recipe : {awq, recipe_from_name("paper-gptq")->options})
    expect(spending(options, recipe), Ranking::kScore, Unit::kLayer);

  PlanOptions asked = options;
  asked.unit = Unit::kLayer;
  expect(spending(asked), Ranking::kScore, Unit::kLayer);
  asked.unit = Unit::kLinear;
  expect(spending(asked), Ranking::kKlShare, Unit::kLinear);
  asked = options;
  asked.ranking = Ranking::kDepth;
  expect(spending(asked), Ranking::kDepth, Unit::kLayer);
  asked = options;
  asked.scores_file = "scores.json";
  expect(spending(asked), Ranking::kScore, Unit::kLayer);
  asked = options;
  asked.diagnosis.score.score = "lieq";
  expect(spending(asked), Ranking::kScore, Unit::kLayer);
}

TEST_F(Job, AUniformBudgetMeasuresNothing) {
  QuantizeOptions options = short_job("q");
  for (const Budget budget : {Budget{Budget::Kind::kTop, 0}, Budget{Budget::Kind::kCodeBits, 2}}) {
    options.plan.budget = budget;
    Cancel diagnosis("geometry", 0), draft("quantising layers", 0);  // either would end the job
    ASSERT_TRUE(Quantization::prepare(options, threads_, draft));
    const auto job = Quantization::prepare(options, threads_, diagnosis);
    ASSERT_TRUE(job) << job.error().message;
    EXPECT_EQ(count(job->plan(), 2), job->plan().layers.size());
  }
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
  options.calibration.cache = folder_ / "cache";
  auto job = Quantization::prepare(options, threads_, sink_);
  ASSERT_TRUE(job) << job.error().message;
  const BitPlan plan = job->plan();
  Cancel draft("quantising layers", 0);  // what was measured once is not measured again
  const auto again = Quantization::prepare(options, threads_, draft);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(to_json(again->plan()), to_json(plan));
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

/// The shape of a model whose weights lie in a file as they are.
model::Model dense(std::size_t layers, std::size_t vocab) {
  model::Model model;
  model.config.hidden_size = 256;
  model.config.num_attention_heads = model.config.num_key_value_heads = 4;
  model.config.head_dim = 64;
  model.config.intermediate_size = 1024;
  model.config.num_hidden_layers = layers;
  model.config.vocab_size = vocab;
  for (pack::StoredMatrix* matrix : {&model.embed_tokens, &model.lm_head}) {
    matrix->rows = vocab;
    matrix->cols = 256;
  }
  model.layers.resize(layers);
  for (model::Layer& layer : model.layers)
    for (model::Linear& linear : layer.linears) linear.weight.rows = linear.weight.cols = 256;
  return model;
}

TEST(Estimate, CountsWeightsThatWerePackedWhenTheModelWasLoaded) {
  model::Model model = dense(1, 1000);
  model.config.architecture = "LlamaForCausalLM";
  BitPlan plan;
  plan.layers.emplace_back().bits = 2;
  plan.layers.front().weights = 7 * 256 * 256;
  const auto memory = [&] {
    return estimate(model, plan, default_recipe(), {.tokens = 512, .window = 128}, "q").memory;
  };
  const std::uint64_t mapped = memory();
  const auto packed = std::make_shared<const pack::PackedMatrix>(1000, 256, 4, 32);
  model.embed_tokens.packed = model.lm_head.packed = packed;
  EXPECT_EQ(memory() - mapped, packed->memory());
}

TEST(PassWork, DecodesALargeHeadForEverySliceOfLogits) {
  // The same multiply-adds of the head in all; 110 rows of logits make a slice of the larger one, 524288 of the other.
  const double small = pass_work(dense(0, 32), 2048, 2048), large = pass_work(dense(0, 151936), 2048, 2048);
  EXPECT_GT(large / small, 1.2 * 151936 / 32);
  EXPECT_LT(large / small, 1.4 * 151936 / 32);
}

TEST(GeometrySize, GrowsWithLayersAndPassages) {
  const diagnose::GeometryLoad load{
      .passages = 2, .tokens = 600, .batches = 1, .batch = 600, .longest = 512, .draws = 4};
  diagnose::GeometryLoad twice = load;
  twice.passages = 4;
  twice.tokens = 1200;
  const double one = geometry_size(dense(1, 100), load, 1).work, two = geometry_size(dense(2, 100), load, 1).work;
  EXPECT_DOUBLE_EQ(two, 2 * one);
  EXPECT_GT(geometry_size(dense(1, 100), twice, 1).work, one);
  EXPECT_EQ(geometry_size(dense(1, 100), load, 1).memory, geometry_size(dense(2, 100), load, 1).memory);
}

TEST(ExportSize, CountsEveryContainerAndWhatFoldersHoldAtATime) {
  const model::Model model = dense(2, 1000);
  const StageSize file = export_size(model, 1, false), folders = export_size(model, 2, true);
  EXPECT_DOUBLE_EQ(folders.work, 2 * file.work);
  EXPECT_DOUBLE_EQ(folders.memory - file.memory, 4.0 * 1000 * 256);
}

TEST(GeneratingSize, CountsTheCache) {
  const model::Model model = dense(2, 1000);
  EXPECT_DOUBLE_EQ(generating_size(model, 10, 10, 5000).memory - generating_size(model, 10, 10, 1000).memory, 4000);
  EXPECT_GT(generating_size(model, 10, 20, 0).work, generating_size(model, 10, 10, 0).work);
}

TEST_F(Job, WidthsOfLinearsCountTheirDraft) {
  const eval::Bundle bundle = *eval::Bundle::load(demo(), threads_, sink_);
  const SharesSize size{.fitted = 16384, .window = 512, .judged = 4096, .length = 512, .threads = 2};
  SharesSize less = size;
  less.fitted = less.judged = 1024;
  const quantize::Options draft = draft_of(default_recipe());
  const StageSize all = shares_size(bundle.model, draft, 2, size), some = shares_size(bundle.model, draft, 2, less);
  EXPECT_GT(all.work, some.work);
  EXPECT_GT(all.memory, some.memory);
  EXPECT_GT(some.memory, walk_memory(bundle.model, draft, {1024, 512, 2}));
}

}  // namespace
}  // namespace lieq::pipeline
