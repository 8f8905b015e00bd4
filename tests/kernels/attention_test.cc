#include "lieq/kernels/attention.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/targets.h"

namespace lieq::kernels {
namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

/// softmax(q kᵀ / sqrt(d)) v in float64, one query head at a time.
std::vector<double> reference(const AttentionShape& shape, const AttentionSequence& sequence, MatrixView<const float> q,
                              std::size_t t, std::size_t head) {
  const std::size_t d = shape.head_dim, kv = head / (shape.num_attention_heads / shape.num_key_value_heads);
  std::vector<double> weights, result(d);
  double sum = 0;
  for (std::size_t k = 0; k <= sequence.past + t; ++k) {
    double score = 0;
    for (std::size_t j = 0; j < d; ++j)
      score += static_cast<double>(q(sequence.first_row + t, head * d + j)) * static_cast<double>(sequence.keys(k, kv * d + j));
    weights.push_back(std::exp(score / std::sqrt(static_cast<double>(d))));
    sum += weights.back();
  }
  for (std::size_t k = 0; k < weights.size(); ++k)
    for (std::size_t j = 0; j < d; ++j) result[j] += weights[k] / sum * static_cast<double>(sequence.values(k, kv * d + j));
  return result;
}

void check(const AttentionShape& shape, const std::vector<std::pair<std::size_t, std::size_t>>& past_and_new) {
  const std::size_t d = shape.head_dim, width = shape.num_key_value_heads * d;
  std::vector<std::vector<float>> storage;
  std::vector<AttentionSequence> sequences;
  std::size_t tokens = 0;
  for (const auto& [past, fresh] : past_and_new) {
    storage.push_back(random_floats((past + fresh) * width, static_cast<unsigned>(past + 1)));
    storage.push_back(random_floats((past + fresh) * width, static_cast<unsigned>(fresh + 77)));
    sequences.push_back({tokens, past, {}, {}});
    tokens += fresh;
  }
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const std::size_t keys = past_and_new[s].first + past_and_new[s].second;
    sequences[s].keys = {storage[2 * s].data(), keys, width};
    sequences[s].values = {storage[2 * s + 1].data(), keys, width};
  }
  const std::size_t q_width = shape.num_attention_heads * d;
  const auto q = random_floats(tokens * q_width, 5);
  std::vector<float> out(tokens * q_width), alone(out.size());
  const MatrixView<const float> queries(q.data(), tokens, q_width);
  Threads two(2), one(1);
  attention(two, shape, sequences, queries, {out.data(), tokens, q_width});
  attention(one, shape, sequences, queries, {alone.data(), tokens, q_width});
  EXPECT_EQ(out, alone);
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    for (std::size_t t = 0; t < past_and_new[s].second; t += 1 + t / 7) {
      for (std::size_t h = 0; h < shape.num_attention_heads; ++h) {
        const auto expected = reference(shape, sequences[s], queries, t, h);
        for (std::size_t j = 0; j < d; ++j)
          ASSERT_NEAR(out[(sequences[s].first_row + t) * q_width + h * d + j], expected[j], 2e-5) << s << " " << t << " " << h;
      }
    }
  }
}

TEST(Attention, EqualsTheFormula) {
  test::on_every_target([] {
    check({4, 2, 16}, {{0, 1}});
    check({4, 2, 16}, {{0, 65}});              // one query beyond a tile
    check({9, 3, 8}, {{0, 70}, {0, 3}});       // groups of three, two sequences
    check({2, 2, 32}, {{255, 2}, {256, 1}});   // the cache ends around a key tile
    check({4, 1, 8}, {{300, 130}, {0, 64}});
  });
}

}  // namespace
}  // namespace lieq::kernels
