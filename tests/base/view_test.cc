#include "lieq/base/view.h"

#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace lieq {
namespace {

TEST(MatrixView, CutsRowsAndColumnsWithoutCopying) {
  std::vector<int> data(12);
  std::iota(data.begin(), data.end(), 0);
  const MatrixView<int> all(data.data(), 3, 4);
  EXPECT_EQ(all(2, 1), 9);
  EXPECT_EQ(all.row(1)[3], 7);

  const MatrixView<const int> middle = MatrixView<const int>(all).rows(1, 2).columns(1, 2);
  EXPECT_EQ(middle.rows(), 2U);
  EXPECT_EQ(middle.cols(), 2U);
  EXPECT_EQ(middle.stride(), 4U);
  EXPECT_EQ(middle(0, 0), 5);
  EXPECT_EQ(middle(1, 1), 10);

  all(1, 1) = 50;
  EXPECT_EQ(middle(0, 0), 50);
}

TEST(MatrixViewDeathTest, RefusesCutsOutside) {
  std::vector<int> data(12);
  const MatrixView<int> all(data.data(), 3, 4);
  EXPECT_DEATH((void)all.rows(2, 2), "internal error");
  EXPECT_DEATH((void)all.columns(5, 0), "internal error");
  EXPECT_DEATH(MatrixView<int>(data.data(), 3, 4, 3), "internal error");
}

}  // namespace
}  // namespace lieq
