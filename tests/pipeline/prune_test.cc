/// Layers that go: which, what is written, and what is refused.

#include "lieq/pipeline/prune.h"

#include <algorithm>

#include "lieq/eval/perplexity.h"
#include "lieq/pipeline/diagnose.h"
#include "lieq/pipeline/export.h"
#include "lieq/pipeline/sources.h"
#include "lieq/save/pruned_folder.h"
#include "tests/pipeline/small.h"

namespace lieq::pipeline {
namespace {

class Prune : public Job {
 protected:
  [[nodiscard]] PruneOptions short_prune(const std::string& name) const {
    PruneOptions options;
    options.model = demo();
    options.output = (folder_ / name).string();
    options.calibration = short_text();
    options.text = text();
    options.text_window = 64;
    options.text_chunks = 40;
    return options;
  }
  [[nodiscard]] bool is_empty() const { return std::filesystem::is_empty(folder_); }
};

TEST_F(Prune, TheCheapestLayerGoesAndTheFolderIsWhatIsLeft) {
  PruneOptions options = short_prune("p");
  options.drop = 2;
  const auto record = prune(options, threads_, sink_);
  ASSERT_TRUE(record) << record.error().message;
  ASSERT_EQ(record->removals.size(), 2U);
  ASSERT_EQ(record->kept.size(), 10U);

  const auto source = load_bundle(demo(), threads_, sink_), made = load_bundle(options.output, threads_, sink_);
  ASSERT_TRUE(source && made);
  ASSERT_EQ(made->model.layers.size(), 10U);
  for (std::size_t l = 0; l < record->kept.size(); ++l) {
    const model::Layer &a = source->model.layers[record->kept[l]], &b = made->model.layers[l];
    EXPECT_EQ(a.input_layernorm, b.input_layernorm) << l;
    for (std::size_t i = 0; i < model::kLinearsPerLayer; ++i) {
      const pack::StoredMatrix &x = a.linears[i].weight, &y = b.linears[i].weight;
      ASSERT_EQ(x.type, y.type);
      ASSERT_EQ(x.bytes(), y.bytes());
      EXPECT_TRUE(std::equal(x.data, x.data + x.bytes(), y.data)) << l << " " << i;
    }
  }

  // Each layer left out in turn, by the other way of measuring.
  const auto calibration = calibrate(*source, options.calibration, threads_, sink_);
  ASSERT_TRUE(calibration);
  std::vector<double> perplexities;
  for (std::size_t out = 0; out < source->model.layers.size(); ++out) {
    std::vector<std::size_t> kept;
    for (std::size_t l = 0; l < source->model.layers.size(); ++l)
      if (l != out) kept.push_back(l);
    const model::Model rest = save::keep_layers(source->model, kept);
    const model::Model* const models[] = {&rest};
    const auto scores = eval::score_windows(models, calibration->ids, calibration->window, threads_,
                                            kernels::Compute::kF32, sink_);
    ASSERT_TRUE(scores) << scores.error().message;
    EvalRecord measured;
    eval::summarise(scores->front(), measured);
    perplexities.push_back(measured.perplexity);
  }
  const auto best = std::ranges::min_element(perplexities);
  EXPECT_EQ(record->removals[0].layer, static_cast<std::size_t>(best - perplexities.begin()));
  EXPECT_NEAR(record->removals[0].choosing_perplexity / *best, 1, 1e-5);
}

TEST_F(Prune, ScoresNameTheCandidates) {
  DiagnoseOptions diagnosis;
  diagnosis.model = demo();
  diagnosis.calibration = short_text();
  const auto scores = diagnose(diagnosis, threads_, sink_);
  ASSERT_TRUE(scores) << scores.error().message;
  const std::string file = (folder_ / "scores.json").string();
  ASSERT_TRUE(io::write_json(file, to_json(*scores)));
  PruneOptions options = short_prune("p");
  options.drop = 1;
  options.scores_file = file;
  const auto record = prune(options, threads_, sink_);
  ASSERT_TRUE(record) << record.error().message;
  const std::size_t gone = record->removals[0].layer;
  EXPECT_GT(scores->layers[gone].rank, scores->layers.size() - kPruneCandidates);
  EXPECT_EQ(record->removals[0].score, scores->layers[gone].score);
}

TEST_F(Prune, ALimitStopsIt) {
  PruneOptions options = short_prune("all");
  options.drop = 3;
  const auto three = prune(options, threads_, sink_);
  ASSERT_TRUE(three) << three.error().message;
  const auto& removals = three->removals;
  ASSERT_LT(removals[0].perplexity, removals[1].perplexity);  // so that a limit lies between
  options = short_prune("some");
  options.keep_perplexity = (removals[0].perplexity + removals[1].perplexity) / 2;
  const auto one = prune(options, threads_, sink_);
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_EQ(one->removals.size(), 1U);
  EXPECT_EQ(one->removals[0].layer, removals[0].layer);
  options = short_prune("none");
  options.keep_perplexity = (three->perplexity + removals[0].perplexity) / 2;
  const auto none = prune(options, threads_, sink_);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(options.output));
}

TEST_F(Prune, CancelledItLeavesNothing) {
  PruneOptions options = short_prune("p");
  options.drop = 2;
  Cancel cancel("perplexity drop", 1);
  const auto record = prune(options, threads_, cancel);
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(is_empty());
}

TEST_F(Prune, GgufFilesBecomeDenseFolders) {
  PruneOptions options = short_prune("p");
  options.model = (folder_ / "demo.gguf").string();
  const auto exported = export_model({.model = demo(), .targets = {"gguf"}, .output = options.model, .embed = {}},
                                     threads_, sink_);
  ASSERT_TRUE(exported) << exported.error().message;
  options.drop = 1;
  const auto record = prune(options, threads_, sink_);
  ASSERT_TRUE(record) << record.error().message;
  const auto made = load_bundle(options.output, threads_, sink_);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->model.layers.size(), record->kept.size());
  EXPECT_EQ(made->model.format, "safetensors");
}

TEST_F(Prune, WrongOptionsAreNamed) {
  const auto error = [&](const auto& change) {
    PruneOptions options = short_prune("p");
    change(options);
    const auto record = prune(options, threads_, sink_);
    EXPECT_TRUE(is_empty());
    return record ? "" : record.error().message;
  };
  EXPECT_EQ(error([](PruneOptions&) {}), "what goes: found nothing, expected one of --drop and --keep-ppl");
  EXPECT_EQ(error([](PruneOptions& o) { o.drop = 12; }),
            "layers to drop: found 12, expected fewer than the 12 of " + demo());
  EXPECT_TRUE(error([](PruneOptions& o) { o.keep_perplexity = 1; })
                  .starts_with("perplexity to keep: found 1, expected at least the whole model's "));
}

}  // namespace
}  // namespace lieq::pipeline
