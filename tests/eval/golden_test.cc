/// Against lm-evaluation-harness: ../shared/data/tasks/harness_strings.jsonl and ../shared/golden/zeroshot.

#include "tests/support/golden.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>

#include "lieq/eval/choices.h"
#include "lieq/eval/prompt_encoder.h"
#include "lieq/eval/python_text.h"
#include "lieq/eval/task_results.h"
#include "lieq/eval/windows.h"
#include "lieq/io/atomic_file.h"

namespace lieq::eval {
namespace {

using test::must;

constexpr double kLoglikBound = 2e-3;  // golden/README.md, zeroshot: an independent float32 implementation
constexpr double kMarginBound = 0.01;  // closer choices may swap

const std::filesystem::path kTasks = test::shared() / "data/tasks";

std::vector<Json> read_lines(const std::filesystem::path& file) {
  std::vector<Json> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

FindData below(const std::filesystem::path& folder) {
  return [folder](const std::string& name) { return locate(name, folder); };
}

/// Items of a task by their index in the official split, which the files of ../shared name.
std::map<std::size_t, Item> items_by_index(const std::string& name, std::size_t num_fewshot = 0) {
  const TaskSelection selection = must(select_tasks({name}));
  const auto loaded = must(load_items(selection.tasks, below(kTasks), {0, num_fewshot}));
  std::map<std::string, const Item*> by_place;
  for (const TaskItems& task : loaded)
    for (const Item& item : task.items) by_place[item.place] = &item;
  std::map<std::size_t, Item> items;
  const std::filesystem::path file = kTasks / (name + ".jsonl");
  std::size_t number = 0;
  for (const Json& line : read_lines(file))
    items[line["index"]] = *by_place.at(file.string() + ": line " + std::to_string(++number));
  return items;
}

TEST(HarnessStrings, EveryPromptIsTheHarnesss) {
  LIEQ_NEEDS_SHARED("data/tasks/harness_strings.jsonl");
  std::map<std::string, std::map<std::size_t, Item>> items;
  std::size_t checked = 0;
  for (const Json& line : read_lines(kTasks / "harness_strings.jsonl")) {
    const std::string task = line["task"];
    if (!items.contains(task)) items[task] = items_by_index(task);
    const Item& item = items[task].at(line["index"]);
    EXPECT_EQ(Json(item.contexts), line["contexts"]) << item.place;
    EXPECT_EQ(Json(item.continuations), line["continuations"]) << item.place;
    EXPECT_EQ(item.gold, line["gold"].get<std::size_t>()) << item.place;
    ++checked;
  }
  EXPECT_EQ(checked, 210U);
}

TEST(HarnessStrings, UpstreamReleasesGiveTheSameItems) {
  LIEQ_NEEDS_SHARED("data/tasks/original");
  for (const char* name : {"piqa", "arc_easy", "arc_challenge", "boolq", "hellaswag", "winogrande", "mmlu"}) {
    const TaskSelection selection = must(select_tasks({name}));
    const std::size_t num_fewshot = std::string(name) == "mmlu" ? 5 : 0;
    const auto hub = must(load_items(selection.tasks, below(kTasks), {0, num_fewshot}));
    const auto original = must(load_items(selection.tasks, below(kTasks / "original"), {0, num_fewshot}));
    for (std::size_t t = 0; t < selection.tasks.size(); ++t) {
      ASSERT_LE(original[t].items.size(), hub[t].items.size());
      ASSERT_GE(original[t].items.size(), 20U);
      for (std::size_t i = 0; i < original[t].items.size(); ++i) {
        const Item &a = original[t].items[i], &b = hub[t].items[i];
        EXPECT_EQ(a.contexts, b.contexts) << a.place << ", " << b.place;
        EXPECT_EQ(a.continuations, b.continuations) << a.place;
        EXPECT_EQ(a.gold, b.gold) << a.place;
      }
    }
  }
}

TEST(Wikitext, PagesAndWordsAreThoseOfTheHarnesssDataSet) {
  LIEQ_NEEDS_SHARED("data/text/wikitext2-test.txt");
  const auto pages = wikitext_pages(must(io::read_file(test::shared() / "data/text/wikitext2-test.txt")));
  std::size_t words = 0, bytes = 0;
  for (const std::string& page : pages) words += count_words(page), bytes += page.size();
  EXPECT_EQ(pages.size(), 62U);
  EXPECT_EQ(words, 241335U);
  EXPECT_EQ(bytes, 1290527U);
}

class Zeroshot : public testing::TestWithParam<const char*> {};

TEST_P(Zeroshot, ScoresAndPredictionsAreTheHarnesss) {
  const std::string task = GetParam();
  const bool five_shot = task == "mmlu_5shot";
  LIEQ_NEEDS_SHARED("golden/zeroshot/" + task + ".jsonl");
  const char* models = std::getenv("LIEQ_TEST_MODELS");
  if (!models) GTEST_SKIP() << "needs LIEQ_TEST_MODELS, a folder with SmolLM2-135M-Instruct";
  Threads threads(2);
  Sink sink;
  const Bundle bundle = must(Bundle::load(std::filesystem::path(models) / "SmolLM2-135M-Instruct", threads, sink));
  const PromptEncoder encoder = must(PromptEncoder::create(bundle));
  const auto all = items_by_index(five_shot ? "mmlu" : task, five_shot ? 5 : 0);
  const std::vector<Json> golden = read_lines(test::shared() / "golden/zeroshot" / (task + ".jsonl"));
  std::vector<const Item*> items;
  for (const Json& line : golden) items.push_back(&all.at(line["index"]));
  const auto scores = must(score_items(bundle, items, {}, threads, sink));

  double worst = 0;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const Json& line = golden[i];
    const Item& item = *items[i];
    ASSERT_EQ(Json(item.contexts), line["contexts"]);
    for (std::size_t c = 0; c < item.num_choices(); ++c) {
      const ChoiceTokens tokens = must(encoder.encode_choice(item.context(c), item.continuation(c), item.place));
      EXPECT_EQ(Json(tokens.targets), line["cont_ids"][c]) << item.place;
      worst = std::max(worst, std::abs(scores[i][c].loglik - line["loglik"][c].get<double>()));
      EXPECT_EQ(scores[i][c].greedy, line["is_greedy"][c].get<bool>()) << item.place;
    }
    if (line["margin"].get<double>() > kMarginBound) {
      const Prediction prediction = predict(item, scores[i]);
      EXPECT_EQ(prediction.choice, line["pred"].get<std::size_t>()) << item.place;
      EXPECT_EQ(prediction.choice_norm, line["pred_norm"].get<std::size_t>()) << item.place;
    }
  }
  RecordProperty("worst_loglik_difference", std::to_string(worst));
  EXPECT_LE(worst, kLoglikBound);
}

INSTANTIATE_TEST_SUITE_P(Tasks, Zeroshot,
                         testing::Values("piqa", "arc_easy", "arc_challenge", "boolq", "hellaswag", "winogrande",
                                         "mmlu", "mmlu_5shot"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace lieq::eval
