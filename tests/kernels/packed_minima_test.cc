/// Products of weights scale * code + minimum, with float32 and with 8-bit inputs.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "lieq/kernels/packed_f32.h"
#include "lieq/kernels/packed_int8.h"
#include "tests/kernels/packed_problem.h"

namespace lieq::kernels {
namespace {

/// PackedProblem whose matrix has minima instead of its zero points.
struct Problem : PackedProblem {
  std::vector<std::uint16_t> minima;  // [rows, groups], IEEE halves

  Problem(std::size_t t, pack::QuantizedMatrix matrix) : PackedProblem(t, std::move(matrix)) {
    std::mt19937 random(static_cast<unsigned>(m.cols));
    std::normal_distribution<float> normal(0, 0.2F);
    for (std::size_t g = 0; g < m.scales.size(); ++g) minima.push_back(float_to_f16(normal(random)));
    rebuild();
  }
  void rebuild() {
    constexpr std::size_t kRows = pack::PackedMatrix::kBlockRows, kInputs = pack::PackedMatrix::kUnitInputs;
    pack::PackedMatrix packed(m.rows, m.cols, m.bits, m.group_size, pack::Origin::kMinimum);
    for (std::size_t b = 0; b < packed.blocks(); ++b) {
      for (std::size_t g = 0; g < packed.groups(); ++g) {
        for (std::size_t u = 0; u < packed.units_per_group(); ++u) {
          std::uint8_t codes[kRows * kInputs] = {};
          const std::size_t begin = u * kInputs, inputs = std::min(kInputs, m.group_size - begin);
          for (std::size_t i = b * kRows; i < std::min(m.rows, (b + 1) * kRows); ++i)
            std::copy_n(m.codes.data() + i * m.cols + g * m.group_size + begin, inputs, codes + i % kRows * kInputs);
          packed.set_unit(b, g, u, codes);
        }
      }
    }
    for (std::size_t i = 0; i < m.rows; ++i)
      for (std::size_t g = 0; g < m.groups(); ++g)
        packed.set_group(i, g, m.scales[i * m.groups() + g], minima[i * m.groups() + g]);
    weight.packed = std::make_shared<const pack::PackedMatrix>(std::move(packed));
  }

  [[nodiscard]] float decoded(std::size_t i, std::size_t j) const {
    const std::size_t g = i * m.groups() + j / m.group_size;
    return f16_to_float(m.scales[g]) * static_cast<float>(m.codes[i * m.cols + j]) + f16_to_float(minima[g]);
  }
  [[nodiscard]] std::size_t pieces() const { return m.groups() * ((m.group_size + 63) / 64); }

  /// Σ of what is added up for row i when no input is larger than `largest`. 8-bit codes may be taken less 128.
  [[nodiscard]] double magnitude(std::size_t i, double largest) const {
    double sum = std::abs(static_cast<double>(bias[i]));
    for (std::size_t j = 0; j < m.cols; ++j) {
      const std::size_t g = i * m.groups() + j / m.group_size;
      const double code = m.codes[i * m.cols + j] + (m.bits == 8 ? 256 : 0);
      sum += (std::abs(static_cast<double>(f16_to_float(m.scales[g]))) * code +
              std::abs(static_cast<double>(f16_to_float(minima[g])))) * largest;
    }
    return sum;
  }

  /// The reference adds two terms for each piece, one after the other; vectors add as many in two sums. Terms have up
  /// to four roundings of their own. Each is off by at most 2^-24 of the magnitudes that are added.
  void expect_near_reference(const std::vector<float>& y) const {
    Threads team(1);
    Int8Inputs rounded;
    round_to_int8(team, *weight.packed, inputs(), rounded);
    std::vector<float> expected(tokens * m.rows);
    multiply_int8_reference({weight.packed.get(), &rounded, bias, {expected.data(), tokens, m.rows}, 0,
                             weight.packed->blocks(), 0, tokens});
    for (std::size_t t = 0; t < tokens; ++t) {
      double largest = 0;
      for (std::size_t j = 0; j < m.cols; ++j)
        largest = std::max(largest, std::abs(static_cast<double>(x[t * m.cols + j])));
      for (std::size_t i = 0; i < m.rows; ++i)
        ASSERT_NEAR(y[t * m.rows + i], expected[t * m.rows + i],
                    static_cast<double>(3 * pieces() + 14) * 0x1p-24 * magnitude(i, largest))
            << "token " << t << ", row " << i;
    }
  }
};

constexpr std::tuple<unsigned, unsigned, unsigned> kShapes[] = {
    {1, 4, 4}, {16, 32, 32}, {17, 96, 48}, {33, 128, 128}, {63, 576, 32}, {40, 70, 35}, {96, 192, 192}, {5, 2080, 32}};

template <class Check>
void on_every_shape(std::initializer_list<std::size_t> token_counts, const Check& check) {
  for (const unsigned bits : kWidths) {
    for (const auto& [out, in, group] : kShapes) {
      for (const std::size_t tokens : token_counts) {
        SCOPED_TRACE(testing::Message() << bits << " bits, " << out << " x " << in << " g" << group << ", " << tokens);
        check(Problem(tokens, random_matrix(out, in, bits, group, bits)));
      }
    }
  }
}

TEST(PackedMinima, Int8EqualsTheReferenceOnEveryIsa) {
  on_every_isa([] {
    on_every_shape({1, 3, 4, 13}, [](const Problem& p) { p.expect_near_reference(p.run(2)); });
  });
}

TEST(PackedMinima, Int8OfExactInputsIsTheProductOfTheWeights) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      Problem p(6, random_matrix(48, 128, bits, 32, 2));
      std::mt19937 random(5);
      for (float& x : p.x) x = static_cast<float>(static_cast<int>(random() % 255) - 127);
      for (std::size_t at = 0; at < p.x.size(); at += 32) p.x[at] = 127;  // so that the group's scale is 1
      const auto y = p.run(2);
      for (std::size_t t = 0; t < 6; ++t) {
        for (std::size_t i = 0; i < 48; ++i) {
          double exact = static_cast<double>(p.bias[i]);
          for (std::size_t j = 0; j < 128; ++j) {
            const std::size_t g = i * 4 + j / 32;
            exact += (static_cast<double>(f16_to_float(p.m.scales[g])) * p.m.codes[i * 128 + j] +
                      static_cast<double>(f16_to_float(p.minima[g]))) * static_cast<double>(p.x[t * 128 + j]);
          }
          ASSERT_NEAR(y[t * 48 + i], exact, static_cast<double>(p.pieces() + 9) * 0x1p-24 * p.magnitude(i, 127));
        }
      }
    }
  });
}

TEST(PackedMinima, Int8IsTheSameForAnyThreadsAndAnyCompany) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      const Problem many(11, random_matrix(200, 192, bits, 32, 3));
      expect_same_in_any_company(many);
    }
  });
}

TEST(PackedMinima, Int8ExtremesStayInBoundsAndBadInputsShow) {
  on_every_isa([] {
    for (const unsigned bits : kWidths) {
      for (const std::size_t tokens : {1U, 9U}) {
        Problem p(tokens, random_matrix(20, 256, bits, 32, 1));
        std::ranges::fill(p.m.codes, static_cast<std::uint8_t>((1U << bits) - 1));
        p.minima[0] = float_to_f16(65504);
        p.minima[1] = 0x8001;  // the smallest subnormal, negative
        p.minima[2] = 0x8000;
        std::ranges::fill(p.x, -3.5F);
        p.rebuild();
        p.expect_near_reference(p.run(1));
        p.x[17] = std::numeric_limits<float>::infinity();
        const auto y = p.run(1);
        for (std::size_t i = 0; i < 20; ++i) ASSERT_TRUE(std::isnan(y[i]));
      }
    }
  });
}

TEST(PackedMinima, Float32EqualsTheProductOfDecodedWeights) {
  on_every_isa([] {
    on_every_shape({1, 2, 7}, [](const Problem& p) {
      for (const Compute compute : {Compute::kF32, Compute::kBF16}) {
        const double unit = compute == Compute::kF32 ? 0 : 2 * 0x1p-9 + 0x1p-18;  // of operands rounded once more
        const auto y = p.run(2, compute);
        for (std::size_t i = 0; i < p.m.rows; ++i) {
          for (std::size_t t = 0; t < p.tokens; ++t) {
            double exact = static_cast<double>(p.bias[i]), magnitude = std::abs(exact);
            for (std::size_t j = 0; j < p.m.cols; ++j) {
              const double product =
                  static_cast<double>(p.decoded(i, j)) * static_cast<double>(p.x[t * p.m.cols + j]);
              exact += product;
              magnitude += std::abs(product);
            }
            ASSERT_NEAR(y[t * p.m.rows + i], exact, (static_cast<double>(p.m.cols + 1) * 0x1p-23 + unit) * magnitude);
          }
        }
      }
    });
  });
}

TEST(PackedMinima, DecodesBlocksAndRowsToTheSameWeights) {
  on_every_isa([] {
    on_every_shape({1}, [](const Problem& p) {
      std::vector<float> block(16 * p.m.cols), row(p.m.cols), expected(p.m.cols);
      for (std::size_t i = 0; i < p.m.rows; ++i) {
        if (i % 16 == 0) decode_block(*p.weight.packed, i / 16, {block.data(), 16, p.m.cols});
        for (std::size_t j = 0; j < p.m.cols; ++j) expected[j] = p.decoded(i, j);
        decode_row(p.weight, i, row.data());
        ASSERT_EQ(row, expected);
        ASSERT_TRUE(std::ranges::equal(expected, std::span(block).subspan(i % 16 * p.m.cols, p.m.cols)));
      }
    });
  });
}

}  // namespace
}  // namespace lieq::kernels
