/// Row-wise adjoints against differences of the functions in float64, on every instruction set.

#include "lieq/tune/elementwise.h"

#include <functional>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/support/targets.h"
#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

constexpr std::size_t kSizes[] = {1, 2, 7, 16, 33, 100};

/// The gradient of `loss` at x by central differences in float64.
std::vector<double> differences(const std::vector<float>& x,
                                const std::function<double(const std::vector<double>&)>& loss) {
  std::vector<double> at(x.begin(), x.end()), gradient;
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = at[i];
    at[i] = value + kStep;
    const double above = loss(at);
    at[i] = value - kStep;
    gradient.push_back((above - loss(at)) / (2 * kStep));
    at[i] = value;
  }
  return gradient;
}

void expect_near(std::span<const float> found, const std::vector<double>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(static_cast<double>(found[i]), wanted[i], 1e-5 * (1 + std::fabs(wanted[i]))) << i;
}

TEST(Elementwise, RmsNorm) {
  test::on_every_target([] {
    for (const std::size_t n : kSizes) {
      const std::vector<float> x = random_floats(n, 1), weight = random_floats(n, 2), dy = random_floats(n, 3);
      std::vector<float> dx = random_floats(n, 4);
      std::vector<double> wanted = differences(x, [&](const std::vector<double>& v) {
        const double square = std::inner_product(v.begin(), v.end(), v.begin(), 0.0) / static_cast<double>(n);
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i)
          sum += static_cast<double>(dy[i]) * static_cast<double>(weight[i]) * v[i] / std::sqrt(square + 1e-2);
        return sum;
      });
      for (std::size_t i = 0; i < n; ++i) wanted[i] += static_cast<double>(dx[i]);
      const float r = add_rms_norm_gradient(x, weight, 1e-2F, dy, dx);
      EXPECT_NEAR(static_cast<double>(r), 1 / std::sqrt(inner(x, x) / static_cast<double>(n) + 1e-2), 1e-5);
      expect_near(dx, wanted);
    }
  });
}

TEST(Elementwise, SiluMultiply) {
  test::on_every_target([] {
    for (const std::size_t n : kSizes) {
      std::vector<float> gate = random_floats(n, 5), up = random_floats(n, 6), dy = random_floats(n, 7);
      gate[0] = n % 2 ? -120 : 120;  // where the exponential overflows
      const std::vector<float> g = gate, u = up, d = dy;
      const auto silu = [](double a) { return a / (1 + std::exp(-a)); };
      const auto sum = [&](const std::vector<double>& a, const std::vector<double>& b) {
        double all = 0;
        for (std::size_t i = 0; i < n; ++i) all += static_cast<double>(d[i]) * silu(a[i]) * b[i];
        return all;
      };
      const std::vector<double> exact_g(g.begin(), g.end()), exact_u(u.begin(), u.end());
      const auto of_gate = differences(g, [&](const std::vector<double>& v) { return sum(v, exact_u); });
      const auto of_up = differences(u, [&](const std::vector<double>& v) { return sum(exact_g, v); });
      silu_multiply_gradient(gate, up, dy);
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_NEAR(static_cast<double>(gate[i]), of_gate[i], 1e-4);
        EXPECT_NEAR(static_cast<double>(up[i]), of_up[i], 1e-4);
        EXPECT_NEAR(static_cast<double>(dy[i]), silu(exact_g[i]) * exact_u[i],
                    1e-5 * (1 + std::fabs(exact_u[i]) * 120));
      }
    }
  });
}

double log_sum(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += std::exp(v);
  return std::log(sum);
}

TEST(Elementwise, Kl) {
  test::on_every_target([] {
    for (const std::size_t n : kSizes) {
      const std::vector<float> p = random_floats(n, 8);
      std::vector<float> q = random_floats(n, 9);
      const std::vector<double> exact_p(p.begin(), p.end()), exact_q(q.begin(), q.end());
      const double p_sum = log_sum(exact_p);
      std::vector<double> wanted = differences(q, [&](const std::vector<double>& v) {
        double kl = 0;
        const double q_sum = log_sum(v);
        for (std::size_t i = 0; i < n; ++i) kl += std::exp(exact_p[i] - p_sum) * (exact_p[i] - p_sum - v[i] + q_sum);
        return 0.25 * kl;
      });
      kl_gradient(p, p_sum, q, log_sum(exact_q), 0.25F);
      expect_near(q, wanted);
    }
  });
}

TEST(Elementwise, Softmax) {
  test::on_every_target([] {
    for (const std::size_t n : kSizes) {
      const std::vector<float> scores = random_floats(n, 10), d = random_floats(n, 11);
      constexpr double kFactor = 0.7;  // of the scores before the softmax
      const auto softmax = [&](const std::vector<double>& v) {
        std::vector<double> scaled = v;
        for (double& s : scaled) s *= kFactor;
        const double all = log_sum(scaled);
        for (double& s : scaled) s = std::exp(s - all);
        return scaled;
      };
      const std::vector<double> weights = softmax({scores.begin(), scores.end()});
      const auto wanted = differences(scores, [&](const std::vector<double>& v) {
        const std::vector<double> w = softmax(v);
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += w[i] * static_cast<double>(d[i]);
        return sum;
      });
      const std::vector<float> p(weights.begin(), weights.end());
      std::vector<float> dp = d;
      softmax_gradient(p, static_cast<float>(kFactor), dp);
      expect_near(dp, wanted);
    }
  });
}

}  // namespace
}  // namespace lieq::tune
