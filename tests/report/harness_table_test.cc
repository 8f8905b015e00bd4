/// The tables lm-evaluation-harness 0.4.13 printed for these numbers.
#include "lieq/report/harness_table.h"

#include <gtest/gtest.h>

namespace lieq::report {
namespace {

TaskRecord task(std::string name, double version, std::vector<MetricValue> metrics) {
  TaskRecord record;
  record.name = record.alias = std::move(name);
  record.version = version;
  record.num_fewshot = 0;
  record.metrics = std::move(metrics);
  return record;
}

TEST(HarnessTable, Tasks) {
  TaskResults results;
  results.tasks = {task("piqa", 1, {{"acc", 2.0 / 3, 1.0 / 3}, {"acc_norm", 2.0 / 3, 1.0 / 3}}),
                   task("arc_challenge", 1, {{"acc", 0, 0}, {"acc_norm", 0, 0}}),
                   task("boolq", 2, {{"acc", 1.0 / 3, 1.0 / 3}})};
  EXPECT_EQ(harness_tables(results),
            "|    Tasks    |Version|Filter|n-shot| Metric |   |Value |   |Stderr|\n"
            "|-------------|------:|------|-----:|--------|---|-----:|---|-----:|\n"
            "|arc_challenge|      1|none  |     0|acc     |↑  |0.0000|±  |0.0000|\n"
            "|             |       |none  |     0|acc_norm|↑  |0.0000|±  |0.0000|\n"
            "|boolq        |      2|none  |     0|acc     |↑  |0.3333|±  |0.3333|\n"
            "|piqa         |      1|none  |     0|acc     |↑  |0.6667|±  |0.3333|\n"
            "|             |       |none  |     0|acc_norm|↑  |0.6667|±  |0.3333|\n");
}

TEST(HarnessTable, ShortNumbersAndMissingErrors) {
  TaskResults results;
  results.tasks = {task("piqa", 1, {{"acc", 0.5, std::nullopt}}), task("arc_easy", 1, {{"acc", 0.25, 0.1}})};
  EXPECT_EQ(harness_tables(results),
            "| Tasks  |Version|Filter|n-shot|Metric|   |Value|   |Stderr|\n"
            "|--------|------:|------|-----:|------|---|----:|---|------|\n"
            "|arc_easy|      1|none  |     0|acc   |↑  | 0.25|±  |   0.1|\n"
            "|piqa    |      1|none  |     0|acc   |↑  | 0.50|±  |   N/A|\n");
  results.tasks = {task("piqa", 1, {{"acc", 1, 0}})};
  EXPECT_EQ(harness_tables(results),
            "|Tasks|Version|Filter|n-shot|Metric|   |Value|   |Stderr|\n"
            "|-----|------:|------|-----:|------|---|----:|---|-----:|\n"
            "|piqa |      1|none  |     0|acc   |↑  |    1|±  |     0|\n");
}

TEST(HarnessTable, PerplexitiesPointDown) {
  TaskResults results;
  results.tasks = {
      task("wikitext", 2,
           {{"bits_per_byte", 1.1, std::nullopt, false}, {"word_perplexity", 29.98332, std::nullopt, false}}),
      task("piqa", 1, {{"acc", 0.5, 0.1}})};
  EXPECT_EQ(harness_tables(results),
            "| Tasks  |Version|Filter|n-shot|    Metric     |   | Value |   |Stderr|\n"
            "|--------|------:|------|-----:|---------------|---|------:|---|------|\n"
            "|piqa    |      1|none  |     0|acc            |↑  | 0.5000|±  |   0.1|\n"
            "|wikitext|      2|none  |     0|bits_per_byte  |↓  | 1.1000|±  |   N/A|\n"
            "|        |       |none  |     0|word_perplexity|↓  |29.9833|±  |   N/A|\n");
}

TEST(HarnessTable, GroupsBeforeTheirMembers) {
  TaskResults results;
  TaskRecord all = task("mmlu", 2, {{"acc", 0.2807, 0.0392}}), stem = task("mmlu_stem", 2, {{"acc", 0.2895, 0.0588}});
  all.children = {"mmlu_stem"};
  all.num_fewshot.reset();
  all.shows_direction = false;
  stem.alias = "stem";
  stem.children = {"mmlu_anatomy"};
  TaskRecord anatomy = task("mmlu_anatomy", 1, {{"acc", 0.5, 0.5}});
  anatomy.alias = "anatomy";
  results.tasks = {anatomy, task("arc_easy", 1, {{"acc", 0.5, 0.5}}), all, stem};
  EXPECT_EQ(harness_tables(results),
            "|   Tasks   |Version|Filter|n-shot|Metric|   |Value |   |Stderr|\n"
            "|-----------|------:|------|-----:|------|---|-----:|---|-----:|\n"
            "|mmlu       |      2|none  |      |acc   |   |0.2807|±  |0.0392|\n"
            "| - stem    |      2|none  |     0|acc   |↑  |0.2895|±  |0.0588|\n"
            "|  - anatomy|      1|none  |     0|acc   |↑  |0.5000|±  |0.5000|\n"
            "|arc_easy   |      1|none  |     0|acc   |↑  |0.5000|±  |0.5000|\n"
            "\n"
            "|Groups |Version|Filter|n-shot|Metric|   |Value |   |Stderr|\n"
            "|-------|------:|------|-----:|------|---|-----:|---|-----:|\n"
            "|mmlu   |      2|none  |      |acc   |   |0.2807|±  |0.0392|\n"
            "| - stem|      2|none  |     0|acc   |↑  |0.2895|±  |0.0588|\n");
}

}  // namespace
}  // namespace lieq::report
