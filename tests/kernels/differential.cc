/// Kernels of every instruction set this CPU has against each other and against plain loops, on problems drawn at
/// random: kernels_differential [SECONDS [SEED]]. A difference beyond the bounds of the headers ends it with a line
/// that names the problem; the same seed finds it again.

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "lieq/kernels/attention.h"
#include "lieq/kernels/dequantize.h"
#include "lieq/kernels/elementwise.h"
#include "lieq/kernels/softmax.h"
#include "tests/kernels/block_problem.h"

namespace lieq::kernels {
namespace {

constexpr double kEpsilon = 0x1p-23;

/// Where two results differ, empty: nowhere.
using Difference = std::string;

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}

  std::size_t between(std::size_t least, std::size_t most) { return least + random_() % (most - least + 1); }
  bool one_in(std::size_t n) { return random_() % n == 0; }
  unsigned seed() { return static_cast<unsigned>(random_()); }
  template <class T>
  T of(std::initializer_list<T> values) {
    return values.begin()[random_() % values.size()];
  }
  /// Normal, times a power of two of its own for all of them; some are zeros.
  void fill(std::span<float> values) {
    std::normal_distribution<float> normal;
    const int exponent = static_cast<int>(between(0, 24)) - 12;
    const bool sparse = one_in(4);
    for (float& v : values) v = sparse && one_in(3) ? 0.0F : std::ldexp(normal(random_), exponent);
  }
  std::vector<float> floats(std::size_t count) {
    std::vector<float> values(count);
    fill(values);
    return values;
  }

 private:
  std::mt19937_64 random_;
};

template <class Compute>
std::vector<std::pair<std::string, std::vector<float>>> on_all(const Compute& compute) {
  std::vector<std::pair<std::string, std::vector<float>>> results;
  for (const std::string& name : isa_names()) {
    if (!use_isa(name)) std::abort();
    results.emplace_back(name, compute());
  }
  if (!use_isa("auto")) std::abort();
  return results;
}

/// expected(k) and how far the k-th number may be from it.
template <class Expected, class Bound>
Difference compare(const std::vector<std::pair<std::string, std::vector<float>>>& results, const Expected& expected,
                   const Bound& bound) {
  for (const auto& [isa, y] : results)
    for (std::size_t k = 0; k < y.size(); ++k)
      if (const double off = std::abs(static_cast<double>(y[k]) - static_cast<double>(expected(k))); !(off <= bound(k)))
        return fmt::format("{}: number {}: found {}, expected {} within {}", isa, k, y[k], expected(k), bound(k));
  return {};
}

/// Scales of all sizes, from subnormal halves to the largest, or ordinary ones; codes at their ends now and then.
pack::QuantizedMatrix draw_matrix(Draw& draw, unsigned bits) {
  const std::size_t group = draw.of<std::size_t>({4, 16, 32, 35, 48, 64, 96, 100, 128, 192});
  const std::size_t out = draw.between(1, 90), in = group * draw.between(1, 8);
  pack::QuantizedMatrix m = random_matrix(out, in, bits, group, draw.seed());
  if (draw.one_in(3))
    for (auto& scale : m.scales) scale = static_cast<std::uint16_t>(draw.seed() % 0x7C00 | (draw.seed() & 0x8000));
  if (draw.one_in(4)) std::ranges::fill(m.codes, static_cast<std::uint8_t>(draw.one_in(2) ? (1U << bits) - 1 : 0));
  if (draw.one_in(4) && in % group == 0) {
    for (std::size_t j = 0; j < in; ++j) m.g_idx.push_back(static_cast<std::int32_t>(j / group));
    std::shuffle(m.g_idx.begin(), m.g_idx.end(), std::mt19937(draw.seed()));
  }
  return m;
}

template <class Problem>
Difference compare_int8(const Problem& p) {
  const std::vector<float> expected = p.int8_reference();
  std::vector<double> bounds;
  for (std::size_t t = 0; t < p.tokens; ++t)
    for (std::size_t i = 0; i < p.m.rows; ++i) bounds.push_back(p.int8_bound(i, p.largest(t)));
  return compare(
      on_all([&] { return p.run(2, Compute::kInt8); }), [&](std::size_t k) { return expected[k]; },
      [&](std::size_t k) { return bounds[k]; });
}

/// rows: the decoded weights, [out, in].
template <class Problem>
Difference compare_f32(const Problem& p, const std::vector<float>& rows) {
  std::vector<double> exact, bounds;
  for (std::size_t t = 0; t < p.tokens; ++t) {
    for (std::size_t i = 0; i < p.m.rows; ++i) {
      double sum = static_cast<double>(p.bias[i]), magnitude = std::abs(sum);
      for (std::size_t j = 0; j < p.m.cols; ++j) {
        const double product = static_cast<double>(rows[i * p.m.cols + j]) * static_cast<double>(p.x[t * p.m.cols + j]);
        sum += product;
        magnitude += std::abs(product);
      }
      exact.push_back(sum);
      bounds.push_back(static_cast<double>(p.m.cols + 1) * kEpsilon * magnitude + 1e-40);
    }
  }
  return compare(
      on_all([&] { return p.run(2, Compute::kF32); }), [&](std::size_t k) { return exact[k]; },
      [&](std::size_t k) { return bounds[k]; });
}

template <class Problem>
Difference compare_rows(const Problem& p, const std::vector<float>& rows) {
  const auto decode = [&] {
    std::vector<float> decoded(rows.size());
    for (std::size_t i = 0; i < p.m.rows; ++i) decode_row(p.weight, i, decoded.data() + i * p.m.cols);
    return decoded;
  };
  return compare(
      on_all(decode), [&](std::size_t k) { return rows[k]; }, [](std::size_t) { return 0.0; });
}

template <class Problem>
Difference compare_products(const Problem& p, const std::vector<float>& rows) {
  if (Difference found = compare_rows(p, rows); !found.empty()) return "decoded rows: " + found;
  if (Difference found = compare_f32(p, rows); !found.empty()) return "float32 product: " + found;
  if (Difference found = compare_int8(p); !found.empty()) return "8-bit product: " + found;
  return {};
}

Difference groups(Draw& draw) {
  const unsigned bits = draw.of({2U, 3U, 4U, 8U});
  PackedProblem p(draw.one_in(3) ? draw.between(9, 40) : draw.between(1, 8), draw_matrix(draw, bits));
  draw.fill(p.x);
  draw.fill(p.bias);
  std::vector<float> rows(p.m.rows * p.m.cols);
  for (std::size_t i = 0; i < p.m.rows; ++i) pack::dequantize_row(p.m, i, rows.data() + i * p.m.cols);
  const Difference found = compare_products(p, rows);
  return found.empty() ? found
                       : fmt::format("{} bits, {} x {} g{}, {} tokens: {}", bits, p.m.rows, p.m.cols, p.m.group_size,
                                     p.tokens, found);
}

Difference blocks(Draw& draw) {
  const BlockType& type = kBlockTypes[draw.between(0, std::size(kBlockTypes) - 1)];
  BlockProblem p(draw.one_in(3) ? draw.between(9, 40) : draw.between(1, 8),
                 RandomBlocks(type, draw.between(1, 70), 256 * draw.between(1, 4), draw.seed()));
  draw.fill(p.x);
  draw.fill(p.bias);
  Difference found = compare_products(p, p.w);
  if (found.empty()) {
    const auto dequantized = [&] {
      std::vector<float> all(p.w.size());
      dequantize(type.type, p.m.bytes.data(), all.size(), all.data());
      return all;
    };
    found = compare(
        on_all(dequantized), [&](std::size_t k) { return p.w[k]; }, [](std::size_t) { return 0.0; });
  }
  return found.empty()
             ? found
             : fmt::format("{}, {} x {}, {} tokens: {}", name(type.type), p.m.rows, p.m.cols, p.tokens, found);
}

/// Rows of activations: norm, gate, sums, logits.
Difference rows(Draw& draw) {
  const std::size_t n = draw.between(1, 700);
  const std::vector<float> a = draw.floats(n), b = draw.floats(n);
  double product = 0, magnitude = 0, squares = 0, largest = -1e300, exponentials = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    product += x * y;
    magnitude += std::abs(x * y);
    squares += x * x;
    largest = std::max(largest, x);
  }
  for (const float x : a) exponentials += std::exp(static_cast<double>(x) - largest);
  const auto count = static_cast<double>(n);
  const auto one = [](float value) { return std::vector<float>{value}; };
  const auto all_bounds = [](double bound) { return [bound](std::size_t) { return bound; }; };
  if (Difference found = compare(
          on_all([&] { return one(dot(a.data(), b.data(), n)); }), [&](std::size_t) { return product; },
          all_bounds(count * kEpsilon * magnitude + 1e-40));
      !found.empty())
    return fmt::format("dot of {}: {}", n, found);
  const double log_sum = largest + std::log(exponentials);
  if (Difference found = compare(
          on_all([&] { return one(static_cast<float>(log_sum_exp(a))); }), [&](std::size_t) { return log_sum; },
          all_bounds(64 * kEpsilon * std::max(1.0, std::abs(log_sum))));
      !found.empty())
    return fmt::format("log_sum_exp of {}: {}", n, found);
  const double factor = 1 / std::sqrt(squares / count + 1e-6);
  const auto norm = [&] {
    std::vector<float> y(n);
    rms_norm(a, b, 1e-6F, y);
    return y;
  };
  const auto normed = [&](std::size_t i) { return static_cast<double>(a[i]) * factor * static_cast<double>(b[i]); };
  Difference found = compare(on_all(norm), normed,
                             [&](std::size_t i) { return (count + 8) * kEpsilon * std::abs(normed(i)) + 1e-40; });
  if (!found.empty()) return fmt::format("rms_norm of {}: {}", n, found);
  const auto gated = [&](std::size_t i) {
    const double x = static_cast<double>(a[i]);
    return x / (1 + std::exp(-x)) * static_cast<double>(b[i]);
  };
  const auto gate = [&] {
    std::vector<float> y = a;
    silu_multiply(y, b);
    return y;
  };
  // Where exp(-x) leaves float32's range, the true value is below 1e-35 of the largest input.
  found = compare(on_all(gate), gated, [&](std::size_t i) {
    const double x = std::abs(static_cast<double>(a[i]));
    return (8 + x) * kEpsilon * std::abs(gated(i)) + 1e-30 * (1 + std::abs(static_cast<double>(b[i])));
  });
  return found.empty() ? found : fmt::format("silu of {}: {}", n, found);
}

/// One sequence, its newest queries over all its keys.
Difference attention_of_a_sequence(Draw& draw) {
  const std::size_t kv_heads = draw.between(1, 3), queries_a_head = draw.between(1, 4), dim = 8 * draw.between(1, 10);
  const std::size_t past = draw.one_in(3) ? draw.between(0, 600) : draw.between(0, 140), tokens = draw.between(1, 70);
  const std::size_t heads = kv_heads * queries_a_head, width = kv_heads * dim, keys = past + tokens;
  const DType type = draw.of({DType::kF32, DType::kF16});
  std::vector<float> k = draw.floats(keys * width), v = draw.floats(keys * width),
                     q = draw.floats(tokens * heads * dim);
  double largest = 0;
  for (const float value : v) largest = std::max(largest, std::abs(static_cast<double>(value)));
  AttentionRule rule;
  rule.window = draw.one_in(3) ? draw.between(1, keys) : 0;
  // Scores of a size that models have: beyond that, rounding of a score alone turns one key into another.
  double scores = 0;
  for (std::size_t i = 0; i < std::min(q.size(), k.size()); ++i)
    scores = std::max(scores, std::abs(static_cast<double>(q[i]) * static_cast<double>(k[i])));
  rule.scale = static_cast<float>(8 / (1e-20 + scores * static_cast<double>(dim)));
  const auto run = [&] {
    const std::size_t capacity = round_up_to_panel(keys);
    KeyValues shape{type, kv_heads, dim, capacity, nullptr, nullptr};
    std::vector<std::byte> key_bytes(*bytes_of(type, shape.elements()) + 64), value_bytes(key_bytes.size());
    const auto aligned = [](std::vector<std::byte>& bytes) {
      return bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(bytes.data()) % 64) % 64;
    };
    shape.keys = aligned(key_bytes);
    shape.values = aligned(value_bytes);
    store_key_values(shape, 0, MatrixView<const float>(k.data(), keys, width),
                     MatrixView<const float>(v.data(), keys, width));
    const AttentionSequence sequence{0, tokens, past, shape};
    std::vector<float> out(q.size());
    AttentionScratch scratch;
    Threads team(2);
    attention(team, heads, {&sequence, 1}, {q.data(), tokens, heads * dim}, scratch, {out.data(), tokens, heads * dim},
              rule);
    return out;
  };
  const auto results = on_all(run);
  const std::vector<float>& first = results.front().second;
  // Both are within this of the formula (attention_test.cc holds each against it in float64).
  const Difference found = compare(
      results, [&](std::size_t i) { return first[i]; }, [&](std::size_t) { return 4e-5 * largest + 1e-35; });
  return found.empty() ? found
                       : fmt::format("attention, {} heads over {} of {}, {} keys, {} queries, window {}: {}", heads,
                                     kv_heads, dim, keys, tokens, rule.window, found);
}

Difference trial(std::uint64_t seed) {
  Draw draw(seed);
  switch (draw.between(0, 7)) {
    case 0:
    case 1:
    case 2: return groups(draw);
    case 3:
    case 4: return blocks(draw);
    case 5:
    case 6: return rows(draw);
    default: return attention_of_a_sequence(draw);
  }
}

int run(double seconds, std::uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  std::uint64_t trials = 0;
  for (; trials == 0 || Clock::now() < end; ++trials, ++seed) {
    const Difference found = trial(seed);
    if (found.empty()) continue;
    fmt::print("seed {}: {}\n", seed, found);
    return 1;
  }
  std::string isas;
  for (const std::string& isa : isa_names()) isas += " " + isa;
  fmt::print("{} problems, each on{}\n", trials, isas);
  return 0;
}

}  // namespace
}  // namespace lieq::kernels

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::strtod(argv[1], nullptr) : 3;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  return lieq::kernels::run(seconds, seed);
}
