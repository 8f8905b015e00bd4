#include "lieq/allocate/grid.h"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "tests/allocate/example_scores.h"

namespace lieq::allocate {
namespace {

using Numbers = std::vector<std::uint64_t>;

TEST(Grid, NumbersAndRanges) {
  EXPECT_EQ(*numbers_in("1..4", 12, "--top"), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(*numbers_in("8,1,2,1", 12, "--top"), (Numbers{1, 2, 8}));
  EXPECT_EQ(*numbers_in("0", 12, "--top"), (Numbers{0}));
  EXPECT_EQ(*numbers_in("0..2,12,2..3", 12, "--top"), (Numbers{0, 1, 2, 3, 12}));
  EXPECT_EQ(*numbers_in("10..16", 12, "--top"), (Numbers{10, 11, 12})) << "ranges end with the layers";
  EXPECT_EQ(*numbers_in("11..18446744073709551615", 12, "--top"), (Numbers{11, 12}));
}

TEST(Grid, WrongNumbersAreNamed) {
  const auto message = [](std::string_view text) {
    const auto numbers = numbers_in(text, 12, "--top");
    return numbers ? "accepted" : numbers.error().message;
  };
  for (const char* text : {"", "1,", "a", "1..", "..3", "-1", "1.5", "1...3", "1..2..3", "18446744073709551616", "1 "})
    EXPECT_EQ(message(text).substr(0, 14), "--top: found '") << text;
  EXPECT_EQ(message("1,13"), "--top: found '13', expected at most 12, the layers of the model");
  EXPECT_EQ(message("13..20"), "--top: found '13..20', expected at most 12, the layers of the model");
  EXPECT_EQ(message("4..2"), "--top: found '4..2', expected a range that rises");
  EXPECT_FALSE(numbers_in("0..9999999999", std::numeric_limits<std::uint64_t>::max(), "--top"));
}

TEST(Grid, CriteriaHaveTheNamesOfDiagnoseAndAllocate) {
  const auto geometry = criterion_of("geometry", 42), lieq = criterion_of("lieq", 42);
  EXPECT_EQ(geometry->ranking, Ranking::kScore);
  EXPECT_FALSE(geometry->needs_perplexity_drop());
  EXPECT_TRUE(lieq->needs_perplexity_drop());
  const auto kl = criterion_of("kl", 42), measured = criterion_of("measured", 42);
  EXPECT_EQ(kl->ranking, Ranking::kMeasured);
  EXPECT_TRUE(kl->needs_sensitivity());
  EXPECT_EQ(measured->name, "kl");
  EXPECT_EQ(criterion_of("random", 7)->seed, 7U);
  EXPECT_EQ(criterion_of("random:9", 7)->seed, 9U);
  EXPECT_EQ(criterion_of("random:9", 7)->name, "random:9");
  EXPECT_FALSE(criterion_of("depth", 7)->needs_diagnosis());
  for (const char* wrong : {"", "score", "exact", "random:", "random:x", "GEOMETRY"})
    EXPECT_NE(criterion_of(wrong, 1).error().message.find("expected one of geometry, lieq, kl"), std::string::npos)
        << wrong;
}

class GridPlans : public ::testing::Test {
 protected:
  Grid plan(std::string_view tops, const std::vector<std::string>& methods, const std::vector<std::string>& criteria) {
    std::vector<RankedScores> ranked;
    for (const std::string& name : criteria) ranked.push_back({*criterion_of(name, 42), &scores_});
    auto grid = plan_grid(*numbers_in(tops, scores_.layers.size(), "--top"), methods, ranked, AllocateOptions());
    EXPECT_TRUE(grid);
    return std::move(*grid);
  }
  LayerScores scores_ = test::example_scores(12, 3);
};

TEST_F(GridPlans, HoldEveryCombinationOnce) {
  const Grid grid = plan("0..3", {"gptq", "rtn"}, {"geometry", "depth", "random"});
  ASSERT_EQ(grid.cells.size(), 4U * 2 * 3);
  for (const GridCell& cell : grid.cells) {
    const GridRun& run = grid.runs[cell.run];
    EXPECT_EQ(run.method, cell.method);
    EXPECT_EQ(run.layers.size(), cell.top);
    for (std::size_t l = 0; l < run.plan.layers.size(); ++l)
      EXPECT_EQ(run.plan.layers[l].bits, std::ranges::count(run.layers, l) ? 4 : 2);
  }
}

TEST_F(GridPlans, OfTheSameWidthsAreMadeOnce) {
  EXPECT_EQ(plan("0,12", {"gptq"}, {"geometry", "depth", "kl"}).runs.size(), 2U) << "uniform, whatever ranks";
  EXPECT_EQ(plan("0,12", {"gptq", "rtn"}, {"geometry", "depth"}).runs.size(), 4U) << "but not whatever quantises";
  EXPECT_EQ(plan("1..4", {"gptq"}, {"geometry", "geometry"}).runs.size(), 4U);
  // Depth takes layers 0, 11, 1: another ranking agrees on the first and no other.
  for (std::size_t l = 0; l < 12; ++l) scores_.layers[l].rank = l + 1;
  const Grid grid = plan("1..3", {"gptq"}, {"depth", "geometry"});
  EXPECT_EQ(grid.cells[0].run, grid.cells[3].run);
  EXPECT_EQ(grid.runs.size(), 5U);
}

TEST_F(GridPlans, NeighboursShareFirstLayers) {
  const Grid grid = plan("0..12", {"gptq", "awq"}, {"geometry", "depth", "random", "random:1"});
  std::size_t shared = 0;
  for (std::size_t i = 1; i < grid.runs.size(); ++i) {
    if (grid.runs[i].method != grid.runs[i - 1].method) continue;
    const std::size_t common = common_layers(grid.runs[i - 1].plan, grid.runs[i].plan);
    shared += common;
    // No run further back shares more: widths are sorted.
    for (std::size_t j = 0; j < i; ++j) {
      if (grid.runs[j].method != grid.runs[i].method) continue;
      EXPECT_LE(common_layers(grid.runs[j].plan, grid.runs[i].plan), common);
    }
  }
  EXPECT_GT(shared, grid.runs.size());
}

TEST_F(GridPlans, LackingScoresAreNamed) {
  for (LayerScore& layer : scores_.layers) layer.sensitivity.clear();
  const std::vector<RankedScores> ranked = {{*criterion_of("kl", 42), &scores_}};
  const std::vector<std::string> methods = {"gptq"};
  const Numbers uniform = {0, 12}, mixed = {1};
  EXPECT_TRUE(plan_grid(uniform, methods, ranked, AllocateOptions()));
  EXPECT_NE(plan_grid(mixed, methods, ranked, AllocateOptions()).error().message.find("sensitivity.2"),
            std::string::npos);
}

}  // namespace
}  // namespace lieq::allocate
