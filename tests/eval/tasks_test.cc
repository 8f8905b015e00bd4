/// Prompts, selection and the arithmetic of results.
#include "lieq/eval/tasks.h"

#include <cmath>

#include "lieq/eval/task_prompts.h"
#include "lieq/eval/task_results.h"
#include "lieq/eval/windows.h"
#include "tests/support/golden.h"

namespace lieq::eval {
namespace {

using test::must;

Json hellaswag_doc(const std::string& ctx_b, const std::string& ending) {
  return {{"activity_label", "Pets"},
          {"ctx_a", "A cat [title] sat."},
          {"ctx_b", ctx_b},
          {"endings", {ending, "b", "c", "d"}},
          {"label", "0"}};
}

TEST(Prompts, HellaswagCleansAsTheHarness) {
  const Item item = must(hellaswag_item({hellaswag_doc("the DOG  ran", " x [a] [step] y\n[b\n] [c]"), "here", {}}));
  EXPECT_EQ(item.contexts[0], "Pets: A cat. sat. The dog ran");
  EXPECT_EQ(item.continuations[0], " x  y\n[b\n] ");
  EXPECT_EQ(item.choice_chars[0], 10U);
  EXPECT_EQ(must(hellaswag_item({hellaswag_doc("", "a"), "here", {}})).contexts[0], "Pets: A cat. sat.");
}

TEST(Prompts, WinograndeVariesTheContext) {
  const Json doc = {{"sentence", "Ann met Bo and _ smiled. "}, {"option1", "Ann"}, {"option2", "Bo"}, {"answer", "2"}};
  const Item item = must(winogrande_item({doc, "here", {}}));
  EXPECT_EQ(item.contexts, (std::vector<std::string>{"Ann met Bo and Ann", "Ann met Bo and Bo"}));
  EXPECT_EQ(item.continuations, (std::vector<std::string>{" smiled."}));
  EXPECT_EQ(item.gold, 1U);
}

TEST(Prompts, FirstReleaseOfBoolqHasItsTitleApart) {
  const Json doc = {{"question", "is it"}, {"title", "T"}, {"passage", "P"}, {"answer", true}};
  const Item item = must(boolq_item({doc, "here", {}}));
  EXPECT_EQ(item.contexts[0], "T -- P\nQuestion: is it?\nAnswer:");
  EXPECT_EQ(item.gold, 1U);
}

TEST(Prompts, WrongFieldsAreNamed) {
  const auto refusal = [](const Result<Item>& item) { return item ? "" : item.error().message; };
  const Json piqa = {{"goal", "g"}, {"sol1", "a"}, {"sol2", "b"}, {"label", 0}};
  for (const auto& [key, value, expected] :
       {std::tuple<const char*, Json, const char*>{"goal", 7, "'goal': found 7, expected a string"},
        {"sol2", nullptr, "'sol2': missing"},
        {"label", 2, "'label': found 2, expected a number from 0 to 1"},
        {"label", -1, "'label': found -1"},
        {"label", 0.5, "'label': found 0.5"},
        {"label", nullptr, "'label': missing"}}) {
    Json doc = piqa;
    doc[key] = value;
    const std::string message = refusal(piqa_item({doc, "f.jsonl: line 3", {}}));
    EXPECT_NE(message.find(std::string("f.jsonl: line 3: field ") + expected), std::string::npos) << message;
  }
  const Json arc = {{"question", "q"}, {"choices", {{"text", {"a", "b"}}, {"label", {"A", "B"}}}}, {"answerKey", "C"}};
  EXPECT_NE(refusal(arc_item({arc, "here", {}})).find("'answerKey': found 'C'"), std::string::npos);
  const Json no_blank = {{"sentence", "no blank"}, {"option1", "a"}, {"option2", "b"}, {"answer", "1"}};
  EXPECT_NE(refusal(winogrande_item({no_blank, "here", {}})).find("'sentence': found no '_'"), std::string::npos);
  EXPECT_NE(refusal(hellaswag_item(
                        {Json{{"activity_label", "a"}, {"ctx_a", ""}, {"ctx_b", ""}, {"endings", {"a"}}, {"label", 0}},
                         "here",
                         {}}))
                .find("'endings': found 1 values, expected 4 strings"),
            std::string::npos);
}

TEST(Selection, MmluIsAGroupOfGroups) {
  const TaskSelection all = must(select_tasks({"mmlu", "piqa", "mmlu_stem"}));
  EXPECT_EQ(all.tasks.size(), 58U);
  ASSERT_EQ(all.groups.size(), 5U);
  EXPECT_EQ(all.groups[0].children,
            (std::vector<std::string>{"mmlu_stem", "mmlu_other", "mmlu_social_sciences", "mmlu_humanities"}));
  std::size_t members = 0;
  for (std::size_t g = 1; g < 5; ++g) members += all.groups[g].children.size();
  EXPECT_EQ(members, 57U);
  const TaskSelection one = must(select_tasks({"mmlu_anatomy"}));
  EXPECT_EQ(one.tasks.size(), 1U);
  EXPECT_TRUE(one.groups.empty());
  EXPECT_NE(select_tasks({"piqua"}).error().message.find("'piqua': unknown, expected one of piqa, arc_easy"),
            std::string::npos);
}

/// An item with choices of these lengths.
Item item_of(std::vector<std::size_t> chars, std::size_t gold) {
  Item item;
  item.choice_chars = std::move(chars);
  item.gold = gold;
  return item;
}

TEST(Results, AccuraciesAndTheirErrors) {
  const std::vector<Item> items = {item_of({4, 2}, 0), item_of({4, 2}, 1), item_of({4, 2}, 1)};
  const std::vector<ItemScores> scores = {
      {{-4, false}, {-3, false}}, {{-4, false}, {-3, false}}, {{-1, false}, {-1, false}}};
  const Answers answers = grade(items, scores);
  EXPECT_EQ(answers.acc, (std::vector<char>{0, 1, 0}));       // equal sums: the first
  EXPECT_EQ(answers.acc_norm, (std::vector<char>{1, 0, 0}));  // -1 < -1.5; -0.25 > -0.5
  const TaskSelection piqa = must(select_tasks({"piqa"}));
  const TaskRecord record = task_record(piqa.tasks[0], {items, 9, 0}, answers);
  ASSERT_EQ(record.metrics.size(), 2U);
  EXPECT_DOUBLE_EQ(record.metrics[0].value, 1.0 / 3);
  EXPECT_NEAR(*record.metrics[0].std_error, 1.0 / 3, 1e-15);  // s = √(((2/3)² + 2 (1/3)²) / 2) = 1/√3, over √3
  EXPECT_EQ(record.original, 9U);
  EXPECT_EQ(record.effective, 3U);
  const TaskRecord single = task_record(piqa.tasks[0], {{items[0]}, 9, 0}, {{1}, {1}});
  EXPECT_FALSE(single.metrics[0].std_error);
}

TEST(Results, GroupsWeighBySizeAndPoolErrors) {
  const std::vector<TaskGroup> groups = {{"all", "all", {"g"}}, {"g", "g", {"a", "b"}}};
  std::vector<TaskRecord> tasks(2);
  for (TaskRecord& task : tasks) task.num_fewshot = 5;
  tasks[0].name = "a", tasks[0].effective = 10, tasks[0].metrics = {{"acc", 0.5, 0.1, true}};
  tasks[1].name = "b", tasks[1].effective = 30, tasks[1].metrics = {{"acc", 0.3, 0.05, true}};
  const TaskRecord group = group_record(groups[1], groups, tasks);
  EXPECT_DOUBLE_EQ(group.metrics[0].value, 0.35);
  EXPECT_DOUBLE_EQ(*group.metrics[0].std_error, std::sqrt((9 * 0.01 * 10 + 29 * 0.0025 * 30) / 38 / 40));
  EXPECT_EQ(group.num_fewshot, 5U);
  EXPECT_TRUE(group.shows_direction);
  const TaskRecord all = group_record(groups[0], groups, tasks);
  EXPECT_DOUBLE_EQ(all.metrics[0].value, 0.35);
  EXPECT_FALSE(all.num_fewshot);
  EXPECT_FALSE(all.shows_direction);
}

TEST(Results, PairedDifferences) {
  std::vector<char> a(20, 1), b(20, 1);
  for (std::size_t i = 0; i < 6; ++i) b[i] = 0;  // 6 answers lost,
  a[19] = 0;                                     // 1 won
  const PairedDifference d = paired_difference(a, b);
  EXPECT_DOUBLE_EQ(d.difference, -0.25);
  EXPECT_NEAR(d.p_value, 2 * (1 + 7) / 128.0, 1e-12);  // McNemar's exact test: at most 1 of 7 coins, twice
  EXPECT_NEAR(*d.std_error, std::sqrt((7.0 / 20 - 0.0625) / 19), 1e-15);
  const PairedDifference same = paired_difference(a, a);
  EXPECT_EQ(same.difference, 0);
  EXPECT_EQ(*same.std_error, 0);
  EXPECT_EQ(same.p_value, 1);
  const std::vector<PairedDifference> two = {{-0.2, 0.03, 0}, {0.1, 0.04, 0}};
  const PairedDifference mean = mean_difference(two);
  EXPECT_NEAR(mean.difference, -0.05, 1e-15);
  EXPECT_NEAR(*mean.std_error, 0.025, 1e-15);
  EXPECT_NEAR(mean.p_value, 0.0455002638963584, 1e-12);  // P(|z| > 2)
  const std::vector<char> right(1, 1), wrong(1, 0);
  const std::vector<PairedDifference> with_single = {two[0], paired_difference(right, wrong)};
  EXPECT_FALSE(with_single[1].std_error);  // one question has no spread
  EXPECT_FALSE(mean_difference(with_single).std_error);
}

TEST(Windows, GptqWithAndWithoutOverlap) {
  const std::vector<model::TokenId> ids(10, 7);
  const auto firsts = [](const WindowPlan& plan) {
    std::vector<std::array<std::size_t, 3>> all;
    for (const Window& w : plan.windows) all.push_back({w.begin, w.size, w.first_scored});
    return all;
  };
  EXPECT_EQ(firsts(gptq_windows(ids, 4, 4)), (std::vector<std::array<std::size_t, 3>>{{0, 4, 1}, {4, 4, 1}}));
  EXPECT_EQ(firsts(gptq_windows(ids, 4, 3)),
            (std::vector<std::array<std::size_t, 3>>{{0, 4, 1}, {3, 4, 1}, {6, 4, 1}}));
  EXPECT_EQ(firsts(gptq_windows(ids, 6, 2)),
            (std::vector<std::array<std::size_t, 3>>{{0, 6, 1}, {2, 6, 4}, {4, 6, 4}}));
  const WindowPlan llama = llamacpp_windows(ids, 4, 1);
  EXPECT_EQ(firsts(llama), (std::vector<std::array<std::size_t, 3>>{{0, 4, 3}, {4, 4, 3}}));
  EXPECT_EQ(llama.ids, (std::vector<model::TokenId>{1, 7, 7, 7, 1, 7, 7, 7, 7, 7}));
}

TEST(Windows, RollingScoresEveryTokenOnce) {
  for (std::size_t size : {1U, 4U, 5U, 8U, 9U, 11U}) {
    std::vector<model::TokenId> document(size);
    for (std::size_t t = 0; t < size; ++t) document[t] = static_cast<model::TokenId>(t);
    WindowPlan plan;
    plan.ids = {-9};  // of an earlier document
    append_rolling_windows(document, 4, -1, plan);
    std::vector<model::TokenId> scored;
    for (const Window& w : plan.windows) {
      EXPECT_LE(w.size - 1, 4U);
      EXPECT_GE(w.first_scored, 1U);
      EXPECT_GE(w.begin, 1U);
      for (std::size_t t = w.first_scored; t < w.size; ++t) scored.push_back(plan.ids[w.begin + t]);
    }
    EXPECT_EQ(scored, document);
    EXPECT_EQ(plan.ids[plan.windows[0].begin], -1);
  }
}

TEST(Windows, WikitextPagesAndDetokenizer) {
  const auto pages = wikitext_pages(" \n = A = \n\n text \n = = B = = \n x \n = C = \n y \n");
  ASSERT_EQ(pages.size(), 2U);
  EXPECT_EQ(pages[0], " = A = \n\n text \n = = B = = \n x ");
  EXPECT_EQ(pages[1], " = C = \n y \n");
  // What the harness's own function makes of these.
  EXPECT_EQ(wikitext_detokenize(" = = B = = \n 3 @,@ 000 @.@ 5 @-@ fold ( a ) \" b c \" the dogs ' N 10 ° C 's ; x . "),
            " == B ==\n3,000.5-fold (a) \"b c\" the dogs'N 10°C's; x. ");
  EXPECT_EQ(wikitext_detokenize(" = = = D = = = \n [ a ( b ] { c } ' it ' x /' 3/ y N z ° \n  q ! r ? s : t , u"),
            " === D ===\n[a ( b] {c} 'it' x /'[0-9]/ y 1 z°\n q! r? s: t, u");
}

}  // namespace
}  // namespace lieq::eval
