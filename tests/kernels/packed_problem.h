#pragma once
/// What tests of packed products share: random weights, problems, and every instruction set in turn.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/base/dtype.h"
#include "lieq/kernels/isa.h"
#include "lieq/kernels/linear.h"

namespace lieq::kernels {

inline pack::QuantizedMatrix random_matrix(std::size_t out, std::size_t in, unsigned bits, std::size_t group_size,
                                           unsigned seed) {
  std::mt19937 random(seed);
  pack::QuantizedMatrix m{out, in, bits, group_size, {}, {}, {}, {}};
  m.codes.resize(out * in);
  for (auto& code : m.codes) code = static_cast<std::uint8_t>(random() % (1U << bits));
  std::normal_distribution<float> normal(0, 0.02F);
  m.scales.resize(out * m.groups());
  for (auto& scale : m.scales) scale = float_to_f16(normal(random));
  m.double_zeros.resize(out * m.groups());
  for (auto& zero : m.double_zeros) zero = static_cast<std::uint16_t>(random() % ((2U << bits) - 1));
  return m;
}

/// x Wᵀ + b: [tokens, out].
inline std::vector<float> run_linear(std::size_t threads, const pack::StoredMatrix& weight, std::span<const float> bias,
                                     MatrixView<const float> x, Arithmetic arithmetic) {
  Threads team(threads);
  LinearScratch scratch;
  std::vector<float> y(x.rows() * weight.rows, std::numeric_limits<float>::signaling_NaN());
  linear(team, weight, bias, x, arithmetic, scratch, {y.data(), x.rows(), weight.rows});
  return y;
}

/// The same in plain loops, of inputs rounded to 8 bits.
inline std::vector<float> int8_reference(const pack::StoredMatrix& weight, std::span<const float> bias,
                                         MatrixView<const float> x) {
  Threads team(1);
  Int8Inputs rounded;
  round_to_int8(team, *weight.packed, x, rounded);
  std::vector<float> y(x.rows() * weight.rows);
  multiply_int8_reference({weight.packed.get(),
                           &rounded,
                           bias,
                           {y.data(), x.rows(), weight.rows},
                           0,
                           weight.packed->blocks(),
                           0,
                           x.rows()});
  return y;
}

inline double largest_of(std::span<const float> values) {
  double max = 0;
  for (const float value : values) max = std::max(max, std::abs(static_cast<double>(value)));
  return max;
}

/// y = x Wᵀ + b with packed weights, and everything it is made of.
struct PackedProblem {
  pack::QuantizedMatrix m;
  pack::StoredMatrix weight;
  std::vector<float> x, bias;
  std::size_t tokens;

  PackedProblem(std::size_t t, pack::QuantizedMatrix matrix)
      : m(std::move(matrix)), x(t * m.cols), bias(m.rows), tokens(t) {
    std::mt19937 random(static_cast<unsigned>(t));
    std::normal_distribution<float> normal;
    for (auto* values : {&x, &bias})
      for (float& v : *values) v = normal(random);
    rebuild();
  }
  void rebuild() {
    weight.rows = m.rows;
    weight.cols = m.cols;
    Threads team(1);
    weight.packed = std::make_shared<const pack::PackedMatrix>(team, m);
  }
  [[nodiscard]] MatrixView<const float> inputs() const { return {x.data(), tokens, m.cols}; }

  [[nodiscard]] std::vector<float> run(std::size_t threads, Arithmetic arithmetic = Compute::kInt8) const {
    return run_linear(threads, weight, bias, inputs(), arithmetic);
  }
  [[nodiscard]] std::vector<float> int8_reference() const { return kernels::int8_reference(weight, bias, inputs()); }
  /// How far a float32 sum in another order may be from it: each of the pieces + 1 additions, and about four roundings
  /// within a piece, are off by at most half an epsilon of the magnitudes that are added: Σ |scale| (code + zero) |x|,
  /// |x| at most the token's largest. 8-bit codes may be taken less 128, and zeros with them.
  [[nodiscard]] double int8_bound(std::size_t i, double largest) const {
    const double offset = m.bits == 8 ? 256 : 0;
    double magnitude = std::abs(static_cast<double>(bias[i]));
    for (std::size_t j = 0; j < m.cols; ++j) {
      const std::size_t g = i * m.groups() + m.group_of(j);
      magnitude += std::abs(static_cast<double>(f16_to_float(m.scales[g]))) *
                   (m.codes[i * m.cols + j] + 0.5 * m.double_zeros[g] + offset) * largest;
    }
    const std::size_t pieces = m.groups() * ((m.group_size + 63) / 64);
    return static_cast<double>(pieces + 9) * 0x1p-24 * magnitude;
  }
  [[nodiscard]] double largest(std::size_t t) const { return largest_of(inputs().row(t)); }
};

template <class Check>
void on_every_isa(const Check& check) {
  for (const std::string& name : isa_names()) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(use_isa(name));
    EXPECT_EQ(isa_name(), name);
    check();
  }
  ASSERT_TRUE(use_isa("auto"));
}

inline constexpr unsigned kWidths[] = {2, 3, 4, 8};

/// Any number of threads gives the same, and so does each token alone: integer sums are exact, and floats are added in
/// the same order. Problem: a PackedProblem, or what is made like one.
template <class Problem>
void expect_same_in_any_company(const Problem& many, Arithmetic arithmetic = Compute::kInt8) {
  const auto y = many.run(1, arithmetic);
  EXPECT_EQ(many.run(2, arithmetic), y);
  EXPECT_EQ(many.run(5, arithmetic), y);
  const std::size_t in = many.m.cols, out = many.m.rows;
  for (std::size_t t = 0; t < many.tokens; ++t) {
    Problem one(1, many.m);
    one.bias = many.bias;
    std::copy_n(many.x.begin() + static_cast<std::ptrdiff_t>(t * in), in, one.x.begin());
    ASSERT_TRUE(std::ranges::equal(one.run(1, arithmetic), std::span(y).subspan(t * out, out))) << t;
  }
}

}  // namespace lieq::kernels
