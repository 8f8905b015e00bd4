#include "lieq/kernels/packed_f32.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "tests/kernels/packed_problem.h"

namespace lieq::kernels {
namespace {

/// Off the exact product of the dequantised weights by at most the rounding of in + 1 additions and products.
/// unit: relative size of one more rounding of the operands.
void expect_exact(const PackedProblem& p, const std::vector<float>& y, double unit = 0) {
  std::vector<float> row(p.m.cols);
  for (std::size_t i = 0; i < p.m.rows; ++i) {
    pack::dequantize_row(p.m, i, row.data());
    for (std::size_t t = 0; t < p.tokens; ++t) {
      double exact = static_cast<double>(p.bias[i]), magnitude = std::abs(exact);
      for (std::size_t j = 0; j < p.m.cols; ++j) {
        const double product = static_cast<double>(row[j]) * static_cast<double>(p.x[t * p.m.cols + j]);
        exact += product;
        magnitude += std::abs(product);
      }
      ASSERT_NEAR(y[t * p.m.rows + i], exact, (static_cast<double>(p.m.cols + 1) * 0x1p-23 + unit) * magnitude)
          << t << ", " << i;
    }
  }
}

TEST(PackedF32, EqualsTheProductOfDequantisedWeights) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      for (const auto& [out, in, group] : {std::tuple{1, 4, 4},
                                           {16, 32, 32},
                                           {17, 96, 48},
                                           {33, 640, 128},
                                           {63, 576, 64},
                                           {40, 70, 35},
                                           {5, 640, 640}}) {
        for (const std::size_t tokens : {1U, 2U, 3U, 5U, 19U}) {
          SCOPED_TRACE(testing::Message() << bits << " bits, " << out << " x " << in << " g" << group);
          const PackedProblem p(tokens, random_matrix(static_cast<std::size_t>(out), static_cast<std::size_t>(in), bits,
                                                      static_cast<std::size_t>(group), bits));
          expect_exact(p, p.run(2, Compute::kF32));
        }
      }
    }
  });
}

TEST(PackedF32, BrainFloatRoundsOperandsOnly) {
  for (const unsigned bits : kWidths) {
    for (const std::size_t tokens : {1U, 9U}) {
      const PackedProblem p(tokens, random_matrix(50, 96, bits, 32, bits));
      expect_exact(p, p.run(2, Compute::kBF16), 2 * 0x1p-9 + 0x1p-18);
    }
  }
}

TEST(PackedF32, IsTheSameForAnyThreadCount) {
  for (const std::size_t tokens : {1U, 7U, 500U}) {
    const PackedProblem p(tokens, random_matrix(200, 64, 2, 32, 1));
    const auto one = p.run(1, Compute::kF32);
    EXPECT_EQ(p.run(2, Compute::kF32), one);
    EXPECT_EQ(p.run(5, Compute::kF32), one);
  }
}

TEST(PackedF32, IsTheSameInAnyCompany) {
  on_every_isa([] {
    for (const unsigned bits : kWidths)
      expect_same_in_any_company(PackedProblem(17, random_matrix(200, 192, bits, 64, 3)), Compute::kF32);
  });
}

TEST(PackedF32, DecodesBlocksAndRowsBitForBitAlsoInActOrder) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      for (const bool act_order : {false, true}) {
        PackedProblem p(3, random_matrix(45, 120, bits, 40, bits));
        if (act_order) {
          std::mt19937 random(5);
          for (std::size_t j = 0; j < 120; ++j) p.m.g_idx.push_back(static_cast<std::int32_t>(j / 40));
          std::shuffle(p.m.g_idx.begin(), p.m.g_idx.end(), random);
          p.rebuild();
        }
        std::vector<float> block(16 * 120), row(120), expected(120);
        for (std::size_t i = 0; i < 45; ++i) {
          if (i % 16 == 0) decode_block(*p.weight.packed, i / 16, {block.data(), 16, 120});
          pack::dequantize_row(p.m, i, expected.data());
          decode_row(p.weight, i, row.data());
          ASSERT_EQ(row, expected);
          ASSERT_TRUE(
              std::equal(expected.begin(), expected.end(), block.begin() + static_cast<std::ptrdiff_t>(i % 16 * 120)));
        }
        expect_exact(p, p.run(2, Compute::kF32));
      }
    }
  });
}

TEST(LinearMany, GivesWhatSingleProductsGive) {
  for (const Compute compute : {Compute::kF32, Compute::kInt8, Compute::kBF16}) {
    for (const std::size_t tokens : {1U, 6U}) {
      const PackedProblem a(tokens, random_matrix(40, 96, 2, 32, 1)), b(tokens, random_matrix(24, 96, 4, 32, 2));
      PackedProblem c(tokens, random_matrix(17, 96, 4, 48, 3)), d(tokens, random_matrix(5, 96, 8, 32, 4));
      std::vector<float> rows(5 * 96);  // d dense
      for (std::size_t i = 0; i < 5; ++i) pack::dequantize_row(d.m, i, rows.data() + i * 96);
      d.weight = {"", DType::kF32, 5, 96, reinterpret_cast<const std::byte*>(rows.data()), 0, nullptr};
      const PackedProblem* all[] = {&a, &b, &c, &d};
      std::vector<std::vector<float>> y;
      for (const PackedProblem* p : all) y.emplace_back(tokens * p->m.rows);
      std::vector<LinearTask> tasks;
      for (std::size_t i = 0; i < 4; ++i)
        tasks.push_back({&all[i]->weight, all[i]->bias, {y[i].data(), tokens, all[i]->m.rows}});
      Threads threads(2);
      LinearScratch scratch;
      linear_many(threads, tasks, a.inputs(), compute, scratch);  // all problems of these tokens have the same inputs
      for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(y[i], all[i]->run(1, compute)) << i;
    }
  }
}

}  // namespace
}  // namespace lieq::kernels
