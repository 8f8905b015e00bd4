#include "lieq/kernels/attention.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/targets.h"

namespace lieq::kernels {
namespace {

struct Heads {
  std::size_t attention, key_value, dim;
};

/// One sequence's keys and values as rows, and as attention() wants them.
struct Stored {
  std::vector<float> k, v;
  Buffer<std::byte> keys, values;
  AttentionSequence sequence;
};

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

/// What half precision makes of a finite value in its range.
float through_half(float value) { return f16_to_float(float_to_f16(value)); }

KeyValues make_cache(DType type, const Heads& heads, std::size_t tokens, Stored& stored) {
  KeyValues cache{type, heads.key_value, heads.dim, round_up_to_panel(tokens), nullptr, nullptr};
  const std::size_t bytes = *bytes_of(type, cache.elements());
  cache.keys = stored.keys.reserve(bytes);
  cache.values = stored.values.reserve(bytes);
  // What was never written must not matter: all bits set is NaN in both types.
  std::fill_n(static_cast<std::byte*>(cache.keys), bytes, std::byte{0xFF});
  std::fill_n(static_cast<std::byte*>(cache.values), bytes, std::byte{0xFF});
  return cache;
}

Stored make_sequence(DType type, const Heads& heads, std::size_t first_row, std::size_t past, std::size_t fresh) {
  const std::size_t tokens = past + fresh, width = heads.key_value * heads.dim;
  Stored stored{random_floats(tokens * width, static_cast<unsigned>(past + 1)),
                random_floats(tokens * width, static_cast<unsigned>(fresh + 77)),
                {},
                {},
                {}};
  stored.sequence = {first_row, fresh, past, make_cache(type, heads, tokens, stored)};
  store_key_values(stored.sequence.cached, 0, MatrixView<const float>(stored.k.data(), past, width),
                   MatrixView<const float>(stored.v.data(), past, width));
  store_key_values(stored.sequence.cached, past, MatrixView<const float>(stored.k.data() + past * width, fresh, width),
                   MatrixView<const float>(stored.v.data() + past * width, fresh, width));
  return stored;
}

/// softmax(q kᵀ scale) v in float64, one query head at a time, from keys and values as they were stored.
std::vector<double> reference(const Heads& heads, const Stored& stored, MatrixView<const float> q, std::size_t t,
                              std::size_t head, const AttentionRule& rule = {}) {
  const std::size_t d = heads.dim, width = heads.key_value * d, kv = head / (heads.attention / heads.key_value);
  const bool half = stored.sequence.cached.type == DType::kF16;
  const auto kept = [&](float value) { return static_cast<double>(half ? through_half(value) : value); };
  std::vector<double> weights, result(d);
  double sum = 0;
  const double scale = rule.scale != 0 ? static_cast<double>(rule.scale) : 1 / std::sqrt(static_cast<double>(d));
  const std::size_t position = stored.sequence.past + t;
  const std::size_t oldest = rule.window == 0 || position < rule.window ? 0 : position - rule.window + 1;
  for (std::size_t k = oldest; k <= position; ++k) {
    double score = 0;
    for (std::size_t j = 0; j < d; ++j)
      score +=
          static_cast<double>(q(stored.sequence.first_row + t, head * d + j)) * kept(stored.k[k * width + kv * d + j]);
    weights.push_back(std::exp(score * scale));
    sum += weights.back();
  }
  for (std::size_t k = 0; k < weights.size(); ++k)
    for (std::size_t j = 0; j < d; ++j)
      result[j] += weights[k] / sum * kept(stored.v[(oldest + k) * width + kv * d + j]);
  return result;
}

void check(DType type, const Heads& heads, const std::vector<std::pair<std::size_t, std::size_t>>& past_and_new,
           const AttentionRule& rule = {}) {
  std::vector<Stored> stored;
  std::vector<AttentionSequence> sequences;
  std::size_t tokens = 0;
  for (const auto& [past, fresh] : past_and_new) {
    stored.push_back(make_sequence(type, heads, tokens, past, fresh));
    sequences.push_back(stored.back().sequence);
    tokens += fresh;
  }
  const std::size_t q_width = heads.attention * heads.dim;
  const auto q = random_floats(tokens * q_width, 5);
  std::vector<float> alone(tokens * q_width);
  const MatrixView<const float> queries(q.data(), tokens, q_width);
  Threads one(1);
  AttentionScratch scratch;
  attention(one, heads.attention, sequences, queries, scratch, {alone.data(), tokens, q_width}, rule);
  for (const std::size_t count : {2U, 3U}) {
    std::vector<float> out(alone.size());
    Threads team(count);
    attention(team, heads.attention, sequences, queries, scratch, {out.data(), tokens, q_width}, rule);
    EXPECT_EQ(out, alone) << count << " threads";
  }
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    for (std::size_t t = 0; t < past_and_new[s].second; t += 1 + t / 7) {
      for (std::size_t h = 0; h < heads.attention; ++h) {
        const auto expected = reference(heads, stored[s], queries, t, h, rule);
        for (std::size_t j = 0; j < heads.dim; ++j)
          ASSERT_NEAR(alone[(sequences[s].first_row + t) * q_width + h * heads.dim + j], expected[j], 2e-5)
              << s << " " << t << " " << h;
      }
    }
  }
}

class Attention : public ::testing::TestWithParam<DType> {};

TEST_P(Attention, EqualsTheFormula) {
  test::on_every_target([] {
    check(GetParam(), {4, 2, 16}, {{0, 1}});
    check(GetParam(), {4, 2, 16}, {{0, 65}});         // one query beyond two tiles
    check(GetParam(), {9, 3, 8}, {{0, 70}, {0, 3}});  // groups of three, a head smaller than a panel, two sequences
    check(GetParam(), {2, 2, 32}, {{255, 2}, {256, 1}, {0, 1}});      // the cache ends around a key tile
    check(GetParam(), {4, 1, 24}, {{300, 130}, {0, 64}});             // a head that is no whole number of panels
    check(GetParam(), {6, 2, 16}, {{63, 1}, {64, 1}, {65, 1}});       // around the shortest split over the keys
    check(GetParam(), {3, 1, 16}, {{4700, 1}, {1000, 5}, {900, 1}});  // parts of the largest size; split beside whole
  });
}

/// Row `t` of a sequence, computed alone from the keys before it.
std::vector<float> row_alone(const Heads& heads, const AttentionSequence& sequence, MatrixView<const float> q,
                             std::size_t t, const AttentionRule& rule) {
  AttentionSequence one = sequence;
  one.first_row = 0;
  one.tokens = 1;
  one.past = sequence.past + t;
  std::vector<float> out(q.cols());
  Threads threads(1);
  AttentionScratch scratch;
  attention(threads, heads.attention, {&one, 1}, q.rows(sequence.first_row + t, 1), scratch, {out.data(), 1, q.cols()}, rule);
  return out;
}

TEST_P(Attention, GivesAQueryTheSameBitsInAnyCompany) {
  test::on_every_target([] {
    const Heads heads{6, 2, 24};
    const std::vector<std::pair<std::size_t, std::size_t>> shapes = {{0, 300}, {127, 3}, {128, 1}, {500, 40}, {20, 1}};
    std::vector<Stored> stored;
    std::vector<AttentionSequence> sequences;
    std::size_t tokens = 0;
    for (const auto& [past, fresh] : shapes) {
      stored.push_back(make_sequence(GetParam(), heads, tokens, past, fresh));
      sequences.push_back(stored.back().sequence);
      tokens += fresh;
    }
    const std::size_t width = heads.attention * heads.dim;
    const auto q = random_floats(tokens * width, 5);
    const MatrixView<const float> queries(q.data(), tokens, width);
    std::vector<float> out(tokens * width);
    Threads threads(2);
    AttentionScratch scratch;
    for (const AttentionRule rule : {AttentionRule{}, AttentionRule{.window = 20}, AttentionRule{.window = 200}}) {
      attention(threads, heads.attention, sequences, queries, scratch, {out.data(), tokens, width}, rule);
      for (const AttentionSequence& sequence : sequences) {
        for (std::size_t t = 0; t < sequence.tokens; t += 1 + t / 9) {
          const auto first = out.begin() + static_cast<std::ptrdiff_t>((sequence.first_row + t) * width);
          ASSERT_EQ(row_alone(heads, sequence, queries, t, rule),
                    std::vector<float>(first, first + static_cast<std::ptrdiff_t>(width)))
              << sequence.past << " + " << t << ", window " << rule.window;
        }
      }
    }
  });
}

TEST_P(Attention, ReadsPagesAsOnePiece) {
  const Heads heads{4, 2, 16};
  const std::size_t tokens = 300, width = heads.key_value * heads.dim;
  const Stored whole = make_sequence(GetParam(), heads, 0, 260, 40);
  std::vector<Stored> memory(3);
  std::vector<KeyValues> pages;
  for (Stored& one : memory) pages.push_back(make_cache(GetParam(), heads, kPageTokens, one));
  for (std::size_t t = 0; t < tokens; ++t)
    store_key_values(pages[t / kPageTokens], t % kPageTokens, {whole.k.data() + t * width, 1, width},
                     {whole.v.data() + t * width, 1, width});
  AttentionSequence paged = whole.sequence;
  paged.cached = pages.front();
  paged.pages = pages;
  const auto q = random_floats(40 * heads.attention * heads.dim, 5);
  const MatrixView<const float> queries(q.data(), 40, heads.attention * heads.dim);
  std::vector<float> expected(q.size()), found(q.size());
  Threads threads(2);
  AttentionScratch scratch;
  attention(threads, heads.attention, {&whole.sequence, 1}, queries, scratch, {expected.data(), 40, queries.cols()});
  attention(threads, heads.attention, {&paged, 1}, queries, scratch, {found.data(), 40, queries.cols()});
  EXPECT_EQ(found, expected);
}

TEST_P(Attention, WindowsAndScales) {
  test::on_every_target([] {
    check(GetParam(), {4, 2, 16}, {{0, 1}, {0, 40}}, {.window = 1});
    check(GetParam(), {4, 2, 16}, {{0, 65}, {3, 1}}, {.window = 20});  // shorter than a tile of queries
    check(GetParam(), {2, 1, 24}, {{300, 130}, {0, 64}}, {.window = 130, .scale = 0.3F});
    check(GetParam(), {9, 3, 8}, {{0, 70}, {90, 3}}, {.window = 64});
    check(GetParam(), {4, 2, 16}, {{63, 1}, {64, 1}, {500, 1}}, {.window = 64});  // around the shortest split
    check(GetParam(), {4, 2, 16}, {{79, 1}, {80, 1}, {100, 1}}, {.window = 65});  // a window that begins in a panel
    check(GetParam(), {3, 1, 16}, {{4700, 1}, {1000, 5}, {900, 1}}, {.window = 777});
    check(GetParam(), {2, 2, 32}, {{255, 2}}, {.window = 5000, .scale = 1});  // wider than what there is
  });
}

INSTANTIATE_TEST_SUITE_P(Types, Attention, ::testing::Values(DType::kF32, DType::kF16),
                         [](const auto& type) { return std::string(name(type.param)); });

/// Half-precision keys and values against exact ones. A rounded element is off by at most 2^-11 of itself (2^-25 below
/// the normal range). Then a score s = Σ q k / √d moves by at most e = 2^-11 Σ |q k| / √d (+ 2^-25 Σ |q| / √d), each
/// weight by a factor within exp(±2e), and the mean of the values by (exp(2e) - 1) Σ w |v| + 2^-11 exp(2e) Σ w |v|.
TEST(AttentionInHalfPrecision, StaysWithinTheRoundingOfItsInputs) {
  const Heads heads{2, 1, 64};
  const Stored exact = make_sequence(DType::kF32, heads, 0, 500, 1),
               half = make_sequence(DType::kF16, heads, 0, 500, 1);
  const auto q = random_floats(128, 9);
  const MatrixView<const float> queries(q.data(), 1, 128);
  std::vector<float> out(128);
  Threads threads(2);
  AttentionScratch scratch;
  attention(threads, 2, {&half.sequence, 1}, queries, scratch, {out.data(), 1, 128});
  for (std::size_t h = 0; h < 2; ++h) {
    double score_error = 0;
    for (std::size_t k = 0; k <= 500; ++k) {
      double terms = 0, queries_sum = 0;
      for (std::size_t j = 0; j < 64; ++j) {
        terms += std::abs(static_cast<double>(q[h * 64 + j]) * static_cast<double>(exact.k[k * 64 + j]));
        queries_sum += std::abs(static_cast<double>(q[h * 64 + j]));
      }
      score_error = std::max(score_error, (0x1p-11 * terms + 0x1p-25 * queries_sum) / 8);
    }
    Stored magnitudes = make_sequence(DType::kF32, heads, 0, 500, 1);
    for (float& v : magnitudes.v) v = std::abs(v);
    const auto expected = reference(heads, exact, queries, 0, h),
               weighted = reference(heads, magnitudes, queries, 0, h);
    const double factor = std::exp(2 * score_error);
    double largest = 0;
    for (std::size_t j = 0; j < 64; ++j) {
      const double difference = std::abs(static_cast<double>(out[h * 64 + j]) - expected[j]);
      EXPECT_LE(difference, (factor - 1 + 0x1p-11 * factor) * weighted[j] + 2e-5);
      largest = std::max(largest, difference);
    }
    EXPECT_GT(largest, 2e-5);  // it did round
  }
}

TEST(KeyValues, HalfPrecisionSaturatesRoundsToEvenAndKeepsNan) {
  test::on_every_target([] {
    const Heads heads{1, 1, 16};
    Stored stored;
    const KeyValues cache = make_cache(DType::kF16, heads, 1, stored);
    std::vector<float> row(16, 0.0F);
    row[0] = 1e9F;
    row[1] = -1e9F;
    row[2] = std::numeric_limits<float>::quiet_NaN();
    row[3] = 1.0F + 0x1p-11F;      // half way between two numbers: to the even one, 1
    row[4] = 1.0F + 3 * 0x1p-11F;  // half way: to 1 + 2^-9
    row[5] = std::numeric_limits<float>::infinity();
    row[6] = 0x1p-24F;  // the smallest subnormal
    const MatrixView<const float> view(row.data(), 1, 16);
    store_key_values(cache, 0, view, view);
    const auto value = [&](std::size_t j) { return f16_to_float(static_cast<const std::uint16_t*>(cache.values)[j]); };
    const auto key = [&](std::size_t j) { return f16_to_float(static_cast<const std::uint16_t*>(cache.keys)[16 * j]); };
    EXPECT_EQ(value(0), 65504.0F);
    EXPECT_EQ(value(1), -65504.0F);
    EXPECT_TRUE(std::isnan(value(2)));
    EXPECT_EQ(value(3), 1.0F);
    EXPECT_EQ(value(4), 1.0F + 0x1p-9F);
    EXPECT_EQ(value(5), 65504.0F);
    EXPECT_EQ(value(6), 0x1p-24F);
    for (std::size_t j = 0; j < 16; ++j) EXPECT_TRUE(key(j) == value(j) || j == 2) << j;
  });
}

}  // namespace
}  // namespace lieq::kernels
