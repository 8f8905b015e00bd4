#include "lieq/pack/stored_matrix.h"

#include <vector>

#include <gtest/gtest.h>

namespace lieq::pack {
namespace {

TEST(StoredMatrix, CountsBytesOfRows) {
  const StoredMatrix dense{"w", DType::kBF16, 3, 5, nullptr};
  EXPECT_EQ(dense.row_bytes(), 10U);
  EXPECT_EQ(dense.bytes(), 30U);
  const StoredMatrix blocks{"w", DType::kQ4_0, 4, 64, nullptr};
  EXPECT_EQ(blocks.row_bytes(), 36U);
  EXPECT_EQ(blocks.bytes(), 144U);
}

TEST(StoredMatrix, UndoesTheRotaryOrderOfRows) {
  std::vector<std::byte> bytes(16);
  StoredMatrix w{"w", DType::kI8, 16, 1, bytes.data()};
  const auto stored_row = [&](std::size_t i) { return w.row(i) - bytes.data(); };
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(stored_row(i), static_cast<std::ptrdiff_t>(i));
  w.interleaved_head_dim = 8;  // llama.cpp: new[2j] = old[j], new[2j + 1] = old[j + 4], within each head of 8
  for (const std::size_t head : {std::size_t{0}, std::size_t{8}}) {
    for (std::size_t j = 0; j < 4; ++j) {
      EXPECT_EQ(stored_row(head + j), static_cast<std::ptrdiff_t>(head + 2 * j));
      EXPECT_EQ(stored_row(head + j + 4), static_cast<std::ptrdiff_t>(head + 2 * j + 1));
    }
  }
}

}  // namespace
}  // namespace lieq::pack
