/// Products and adjoints against sums in float64 over decoded weights, over sizes that leave rests.

#include "lieq/tune/products.h"

#include <gtest/gtest.h>

#include "lieq/kernels/linear.h"
#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

struct Case {
  std::size_t tokens, out, in, group;
  unsigned bits;
};

pack::QuantizedMatrix random_matrix(const Case& c) {
  Random random(c.out * 31 + c.in);
  pack::QuantizedMatrix matrix{c.out, c.in, c.bits, c.group, {}, {}, {}, {}};
  for (std::size_t i = 0; i < c.out * c.in; ++i)
    matrix.codes.push_back(static_cast<std::uint8_t>(random.below(std::size_t{1} << c.bits)));
  for (std::size_t i = 0; i < c.out * c.in / c.group; ++i) {
    matrix.scales.push_back(float_to_f16(static_cast<float>(random.normal())));
    matrix.double_zeros.push_back(static_cast<std::uint16_t>(1 + random.below(c.bits == 2 ? 4 : 15)));
  }
  return matrix;
}

class Products : public testing::TestWithParam<Case> {};

TEST_P(Products, AreTheSumsOfTheDecodedWeights) {
  const Case& c = GetParam();
  Threads threads(2);
  const pack::QuantizedMatrix matrix = random_matrix(c);
  const pack::PackedMatrix packed(threads, matrix);
  const std::size_t groups = c.in / c.group;
  std::vector<float> factors = random_floats(c.out * groups, 3), decoded(c.out * c.in);
  for (std::size_t i = 0; i < c.out; ++i) {
    pack::dequantize_row(matrix, i, &decoded[i * c.in]);
    for (std::size_t j = 0; j < c.in; ++j) decoded[i * c.in + j] *= factors[i * groups + j / c.group];
  }
  test::Matrix x(c.tokens, c.in), dy(c.tokens, c.out), y(c.tokens, c.out), dx(c.tokens, c.in), ds(c.out, groups),
      dw(c.out, c.in);
  x.values = random_floats(x.values.size(), 1);
  dy.values = random_floats(dy.values.size(), 2);
  const std::vector<float> bias = random_floats(c.out, 4);
  std::ranges::fill(dx.values, 0.5F);
  const WeightRows weight = scaled_rows_of(packed, factors);
  ProductScratch scratch;
  product(threads, weight, bias, x.view(), scratch, y.view());
  add_input_gradient(threads, weight, dy.view(), scratch, dx.view());
  add_scale_gradient(threads, weight, c.group, x.view(), dy.view(), scratch, ds.view());
  weight_gradient(threads, x.view(), dy.view(), scratch, dw.view());

  // Each sum of n terms may be off by n roundings of the sum of their magnitudes.
  struct Sum {
    double value = 0, magnitude = 0;
    std::size_t terms = 2;
    void add(double a, double b, double c2 = 1) {
      value += a * b * c2;
      magnitude += std::fabs(a * b * c2);
      ++terms;
    }
    void check(float found) const { EXPECT_NEAR(found, value, static_cast<double>(terms) * 1.2e-7 * magnitude); }
  };
  const auto at = [](const std::vector<float>& values, std::size_t i) { return static_cast<double>(values[i]); };
  for (std::size_t t = 0; t < c.tokens; t += 7)
    for (std::size_t i = 0; i < c.out; i += 5) {
      Sum sum;
      sum.add(at(bias, i), 1);
      for (std::size_t j = 0; j < c.in; ++j) sum.add(at(x.values, t * c.in + j), at(decoded, i * c.in + j));
      sum.check(y.view()(t, i));
    }
  for (std::size_t t = 0; t < c.tokens; t += 7)
    for (std::size_t j = 0; j < c.in; j += 5) {
      Sum sum;
      sum.add(0.5, 1);
      for (std::size_t i = 0; i < c.out; ++i) sum.add(at(dy.values, t * c.out + i), at(decoded, i * c.in + j));
      sum.check(dx.view()(t, j));
    }
  for (std::size_t i = 0; i < c.out; i += 5)
    for (std::size_t j = 0; j < c.in; j += 3) {
      Sum sum;
      for (std::size_t t = 0; t < c.tokens; ++t) sum.add(at(dy.values, t * c.out + i), at(x.values, t * c.in + j));
      sum.check(dw.view()(i, j));
    }
  for (std::size_t i = 0; i < c.out; i += 5)
    for (std::size_t g = 0; g < groups; ++g) {
      Sum sum;
      for (std::size_t j = g * c.group; j < (g + 1) * c.group; ++j)
        for (std::size_t t = 0; t < c.tokens; ++t)
          sum.add(at(dy.values, t * c.out + i), at(x.values, t * c.in + j), at(decoded, i * c.in + j));
      sum.check(ds.view()(i, g));
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Products,
                         testing::Values(Case{1, 16, 32, 32, 2}, Case{19, 33, 96, 16, 2}, Case{530, 40, 64, 64, 4},
                                         Case{9, 300, 640, 128, 3}, Case{5, 20, 1200, 1200, 4}));

}  // namespace
}  // namespace lieq::tune
