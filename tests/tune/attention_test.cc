/// Attention and its adjoint against float64, over more than one block of queries.

#include "lieq/tune/attention.h"

#include <gtest/gtest.h>

#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

using Numbers = std::vector<double>;

/// q, k, v and what a loss <d, attention> says of them, in float64.
struct Reference {
  AttentionShape shape;
  Numbers q, k, v;

  [[nodiscard]] Numbers out(std::size_t tokens) const {
    const std::size_t size = shape.head_dim, sharing = shape.heads / shape.kv_heads;
    Numbers result(tokens * shape.heads * size);
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t h = 0; h < shape.heads; ++h) {
        const std::size_t start = t / shape.length * shape.length;
        Numbers weights;
        double sum = 0;
        for (std::size_t s = start; s <= t; ++s) {
          double score = 0;
          for (std::size_t j = 0; j < size; ++j)
            score += q[(t * shape.heads + h) * size + j] * k[(s * shape.kv_heads + h / sharing) * size + j];
          weights.push_back(std::exp(static_cast<double>(shape.scale) * score));
          sum += weights.back();
        }
        for (std::size_t s = start; s <= t; ++s)
          for (std::size_t j = 0; j < size; ++j)
            result[(t * shape.heads + h) * size + j] +=
                weights[s - start] / sum * v[(s * shape.kv_heads + h / sharing) * size + j];
      }
    return result;
  }
};

class Attention : public testing::TestWithParam<AttentionShape> {};

TEST_P(Attention, AndItsAdjointAreThoseOfFloat64) {
  const AttentionShape& shape = GetParam();
  const std::size_t tokens = 2 * shape.length, wide = shape.heads * shape.head_dim,
                    narrow = shape.kv_heads * shape.head_dim;
  test::Matrix q(tokens, wide), k(tokens, narrow), v(tokens, narrow), out(tokens, wide), d(tokens, wide),
      dq(tokens, wide), dk(tokens, narrow), dv(tokens, narrow);
  q.values = random_floats(q.values.size(), 1);
  k.values = random_floats(k.values.size(), 2);
  v.values = random_floats(v.values.size(), 3);
  d.values = random_floats(d.values.size(), 4);
  Threads threads(2);
  AttentionScratch scratch;
  attention(threads, shape, {q.view(), k.view(), v.view()}, scratch, out.view());
  attention_gradient(threads, shape, {q.view(), k.view(), v.view()}, d.view(), scratch, dq.view(), dk.view(),
                     dv.view());

  const auto exact = [](const std::vector<float>& values) { return Numbers(values.begin(), values.end()); };
  const Reference reference{shape, exact(q.values), exact(k.values), exact(v.values)};
  const Numbers wanted = reference.out(tokens);
  for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(static_cast<double>(out.values[i]), wanted[i], 1e-5) << i;

  // The derivative along a random direction, by central differences, is the gradient's product with it.
  const auto along = [&](Numbers Reference::*which, const std::vector<float>& gradient, std::uint64_t seed) {
    const std::vector<float> direction = random_floats(gradient.size(), seed);
    constexpr double kStep = 1e-5;
    const auto loss = [&](double step) {
      Reference moved = reference;
      for (std::size_t i = 0; i < direction.size(); ++i) (moved.*which)[i] += step * static_cast<double>(direction[i]);
      const Numbers result = moved.out(tokens);
      double sum = 0;
      for (std::size_t i = 0; i < result.size(); ++i) sum += result[i] * static_cast<double>(d.values[i]);
      return sum;
    };
    const double slope = (loss(kStep) - loss(-kStep)) / (2 * kStep);
    EXPECT_NEAR(inner(gradient, direction), slope, 1e-4 * (1 + std::fabs(slope)));
  };
  for (const std::uint64_t seed : {11U, 12U, 13U}) {
    along(&Reference::q, dq.values, seed);
    along(&Reference::k, dk.values, seed);
    along(&Reference::v, dv.values, seed);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(AttentionShape{1, 1, 2, 1, 1.0F}, AttentionShape{4, 2, 8, 30, 0.4F},
                                         AttentionShape{3, 1, 6, 140, 0.4F}, AttentionShape{2, 2, 5, 257, 0.5F}));

}  // namespace
}  // namespace lieq::tune
