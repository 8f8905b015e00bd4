/// A cancelled job leaves what resumes, and ends with the bytes it would have had.

#include <algorithm>
#include <fstream>

#include "lieq/pipeline/evaluate.h"
#include "lieq/pipeline/sweep.h"
#include "tests/pipeline/small.h"

namespace lieq::pipeline {
namespace {

TEST_F(Job, QuantizeGoesOnAfterTheLastFinishedLayer) {
  const auto whole = quantize(short_job("whole"), threads_, sink_);
  ASSERT_TRUE(whole) << whole.error().message;

  Cancel cancel("quantising layers", 3);
  const auto cut = quantize(short_job("cut"), threads_, cancel);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cut"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "cut.partial/layer-002.safetensors"));

  Cancel never("nothing", 1);
  const auto resumed = quantize(short_job("cut"), threads_, never);
  ASSERT_TRUE(resumed) << resumed.error().message;
  ASSERT_EQ(never.notes.size(), 1);
  EXPECT_NE(never.notes[0].find("going on after layer 3"), std::string::npos) << never.notes[0];
  EXPECT_EQ(bytes_of(whole->output), bytes_of(resumed->output));
  EXPECT_EQ(whole->records[1].perplexity, resumed->records[1].perplexity);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cut.partial"));
}

TEST_F(Job, QuantizeCancelledWhileItScoresKeepsItsLayers) {
  Cancel cancel("perplexity", 0);
  ASSERT_FALSE(quantize(short_job("q"), threads_, cancel));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "q"));
  ASSERT_TRUE(quantize(short_job("q"), threads_, sink_));
  EXPECT_FALSE(bytes_of((folder_ / "q").string()).empty());
}

TEST_F(Job, AnotherJobDoesNotTakeOverWhatACancelledOneLeft) {
  Cancel cancel("quantising layers", 1);
  ASSERT_FALSE(quantize(short_job("q"), threads_, cancel));
  QuantizeOptions other = short_job("q");
  other.recipe.damping = 0.02;
  const auto refused = quantize(other, threads_, sink_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("damping"), std::string::npos) << refused.error().message;
  other.force = true;
  EXPECT_TRUE(quantize(other, threads_, sink_));
}

/// Ten questions of PIQA's form.
void write_piqa(const std::filesystem::path& folder) {
  std::ofstream file(folder / "piqa.jsonl");
  for (int i = 0; i < 10; ++i)
    file << R"({"task": "piqa", "split": "validation", "id": ")" << i << R"(", "index": )" << i
         << R"(, "num_choices": 2, "gold": 0, "doc": {"goal": "To draw water number )" << i
         << R"(", "sol1": "go to the well", "sol2": "go to the mountain )" << i << R"(", "label": 0}})" << "\n";
}

TEST_F(Job, EvaluateKeepsTheQuestionsThatWereAnswered) {
  write_piqa(folder_);
  EvaluateOptions options;
  options.models = {demo()};
  options.tasks = {"piqa"};
  options.tasks_dir = folder_.string();
  options.batch_size = 2;
  const auto whole = evaluate(options, threads_, sink_);
  ASSERT_TRUE(whole) << whole.error().message;

  options.journals = folder_ / "journals";
  std::filesystem::create_directories(options.journals);
  Cancel cancel("questions", 4);
  const auto cut = evaluate(options, threads_, cancel);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::is_empty(options.journals));
  const auto resumed = evaluate(options, threads_, sink_);
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(resumed->tasks[0].tasks[0].metrics[0].value, whole->tasks[0].tasks[0].metrics[0].value);
  EXPECT_TRUE(std::filesystem::is_empty(options.journals));
}

TEST_F(Job, SweepGoesOnWithTheModelsThatAreFinished) {
  SweepOptions options;
  options.model = demo();
  options.output = (folder_ / "sweep").string();
  options.top = "0,1";
  options.scores = {"depth"};
  options.methods = {quantize::Method::kRtn};
  options.calibration = short_text();
  options.eval.text = text();
  options.eval.window = 64;
  options.eval.chunks = 2;
  Sink& quiet = sink_;
  std::vector<std::string> steps;
  const auto note = [&](const SweepStep& step) { steps.push_back(step.name); };

  Cancel cancel("quantising layers", 12);  // the first model's last layer
  auto cut = Sweep::prepare(options, threads_, cancel);
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_EQ(cut->plan().models, 2);
  const auto ended = cut->run("a test", note);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(steps, std::vector<std::string>{"original"});

  const auto results = sweep(options, "a test", threads_, quiet);
  ASSERT_TRUE(results) << results.error().message;
  EXPECT_EQ(results->cells.size(), 2);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "sweep/results.json"));
}

}  // namespace
}  // namespace lieq::pipeline
