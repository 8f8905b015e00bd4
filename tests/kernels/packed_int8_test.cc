#include "lieq/kernels/packed_int8.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "tests/kernels/packed_problem.h"

namespace lieq::kernels {
namespace {

struct Problem : PackedProblem {
  using PackedProblem::PackedProblem;

  /// The reference on the same rounded inputs.
  void expect_near_reference(const std::vector<float>& y) const {
    const std::vector<float> expected = int8_reference();
    for (std::size_t t = 0; t < tokens; ++t) {
      const double most = largest(t);
      for (std::size_t i = 0; i < m.rows; ++i)
        ASSERT_NEAR(y[t * m.rows + i], expected[t * m.rows + i], int8_bound(i, most)) << "token " << t << ", row " << i;
    }
  }
};

TEST(PackedInt8, EqualsTheReferenceForOddShapesOnEveryIsa) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      for (const auto& [out, in, group] : {std::tuple{1, 4, 4},
                                           {16, 32, 32},
                                           {17, 96, 48},
                                           {33, 128, 128},
                                           {63, 576, 64},
                                           {40, 70, 35},
                                           {96, 192, 192},
                                           {80, 192, 96},
                                           {5, 640, 16}}) {
        for (const std::size_t tokens : {1U, 2U, 3U, 4U, 5U, 7U, 13U, 37U}) {
          SCOPED_TRACE(testing::Message()
                       << bits << " bits, " << out << " x " << in << " g" << group << ", " << tokens);
          const Problem p(tokens, random_matrix(static_cast<std::size_t>(out), static_cast<std::size_t>(in), bits,
                                                static_cast<std::size_t>(group), bits));
          p.expect_near_reference(p.run(2));
        }
      }
    }
  });
}

TEST(PackedInt8, LargestCodesAndInputsDoNotOverflow) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      for (const std::size_t tokens : {1U, 4U, 9U, 17U}) {
        for (const int sign : {1, -1}) {
          for (const unsigned code : {0U, (1U << bits) - 1}) {
            Problem p(tokens, random_matrix(20, 256, bits, 128, 1));
            std::ranges::fill(p.m.codes, static_cast<std::uint8_t>(code));
            p.m.scales[0] = float_to_f16(65504);
            p.m.scales[1] = 1;  // the smallest subnormal
            p.m.scales[2] = float_to_f16(-65504);
            std::ranges::fill(p.x, static_cast<float>(sign) * 3.5F);
            p.rebuild();
            p.expect_near_reference(p.run(1));
          }
        }
      }
    }
  });
}

TEST(PackedInt8, IsTheSameForAnyThreadsAndAnyCompany) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      const Problem many(37, random_matrix(200, 192, bits, 64, 3));
      expect_same_in_any_company(many);
    }
  });
}

TEST(PackedInt8, IsTheSameOnEveryIsaWithFusedMultiplyAdd) {
  for (const unsigned bits : {2U, 3U, 4U}) {  // 8-bit codes are taken less 128 on some
    for (const std::size_t tokens : {4U, 5U, 6U, 7U, 8U, 21U}) {
      const Problem p(tokens, random_matrix(75, 384, bits, 96, 4));
      std::vector<float> first;
      on_every_isa([&] {
        if (!isa_name().starts_with("avx") && !isa_name().starts_with("neon")) return;
        const auto y = p.run(2);
        if (first.empty()) first = y;
        EXPECT_EQ(y, first) << bits << " bits, " << tokens << " tokens";
      });
    }
  }
}

TEST(PackedInt8, RoundingErrorOfInputsIsAtMostHalfAStep) {
  on_every_isa([] {
    const Problem p(5, random_matrix(16, 200, 4, 100, 1));
    Threads team(1);
    Int8Inputs rounded;
    round_to_int8(team, *p.weight.packed, p.inputs(), rounded);
    ASSERT_EQ(rounded.pieces, 4U);
    for (std::size_t t = 0; t < p.tokens; ++t) {
      for (std::size_t j = 0; j < 200; ++j) {
        const std::size_t in_group = j % 100, piece = j / 100 * 2 + in_group / 64;
        const float scale = rounded.scales.data()[t * 4 + piece];
        const int q = rounded.codes.data()[t * rounded.stride + j / 100 * 128 + in_group];
        ASSERT_NEAR(scale * static_cast<float>(q), p.x[t * 200 + j], 0.5001 * scale);
      }
      for (std::size_t pad = 100; pad < 128; ++pad) ASSERT_EQ(rounded.codes.data()[t * rounded.stride + pad], 0);
    }
  });
}

TEST(PackedInt8, ZerosStayZeroTinyInputsVanishAndBadOnesShow) {
  on_every_isa([] {
    for (const std::size_t tokens : {1U, 6U}) {
      Problem p(tokens, random_matrix(16, 64, 2, 64, 1));
      std::ranges::fill(p.bias, 0.0F);
      for (const float value : {0.0F, -0.0F, std::numeric_limits<float>::denorm_min(), 1e-38F}) {
        std::ranges::fill(p.x, value);
        for (const float y : p.run(1)) ASSERT_EQ(y, 0);
      }
      for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        std::ranges::fill(p.x, 1.0F);
        p.x[17] = value;
        const auto y = p.run(1);
        for (std::size_t i = 0; i < 16; ++i) ASSERT_TRUE(std::isnan(y[i]));
      }
    }
  });
}

TEST(PackedInt8, ActOrderGathersTheInputs) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      Problem p(6, random_matrix(48, 128, bits, 32, 2));
      std::mt19937 random(5);
      for (std::size_t j = 0; j < 128; ++j) p.m.g_idx.push_back(static_cast<std::int32_t>(j / 32));
      std::shuffle(p.m.g_idx.begin(), p.m.g_idx.end(), random);
      p.rebuild();
      p.expect_near_reference(p.run(2));
      // Integer weights and inputs that 8 bits hold exactly: the answer is known.
      std::ranges::fill(p.m.scales, float_to_f16(1));
      for (float& x : p.x) x = static_cast<float>(static_cast<int>(random() % 255) - 127);
      for (std::size_t g = 0; g < 4; ++g) {  // each group holds a 127, so its scale is 1
        const auto j = std::ranges::find(p.m.g_idx, static_cast<std::int32_t>(g)) - p.m.g_idx.begin();
        for (std::size_t t = 0; t < 6; ++t) p.x[t * 128 + static_cast<std::size_t>(j)] = 127;
      }
      p.rebuild();
      const auto y = p.run(2);
      for (std::size_t t = 0; t < 6; ++t) {
        for (std::size_t i = 0; i < 48; ++i) {
          double exact = static_cast<double>(p.bias[i]);
          for (std::size_t j = 0; j < 128; ++j)
            exact += (p.m.codes[i * 128 + j] - 0.5 * p.m.double_zeros[i * 4 + p.m.group_of(j)]) *
                     static_cast<double>(p.x[t * 128 + j]);
          ASSERT_NEAR(y[t * 48 + i], exact, p.int8_bound(i, 127));
        }
      }
    }
  });
}

}  // namespace
}  // namespace lieq::kernels
