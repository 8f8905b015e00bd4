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

TEST(StoredMatrix, BesideItsBlocksCodesChangeNoSizes) {
  const std::vector<std::byte> bytes(4 * 44);
  StoredMatrix w{"w", DType::kQ5_0, 4, 64, bytes.data()};
  w.packed = std::make_shared<const PackedMatrix>(4, 64, 8, 32);
  EXPECT_EQ(w.format(), "Q5_0");
  EXPECT_EQ(w.bytes(), 176U);
  EXPECT_EQ(w.code_bits(), 5);
  w.data = nullptr;
  EXPECT_FALSE(w.is_stored());
  EXPECT_EQ(w.format(), "8-bit g32");
  EXPECT_EQ(w.bytes(), 4 * (64 + 2 * 2 + 2U));
  EXPECT_EQ(w.code_bits(), 8);
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
