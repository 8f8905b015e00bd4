/// KL and all gradients against torch in float64 (data/make_tune_golden.py).

#include <gtest/gtest.h>

#include "lieq/tune/tuned_model.h"
#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

using model::LinearKind;

/// Float32 against float64: within 2e-5 of the largest number of the array.
void expect_near(std::span<const float> found, const std::vector<float>& wanted, const std::string& name) {
  ASSERT_EQ(found.size(), wanted.size()) << name;
  float most = 0, off = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    most = std::max(most, std::fabs(wanted[i]));
    off = std::max(off, std::fabs(found[i] - wanted[i]));
  }
  EXPECT_GT(most, 0) << name;
  EXPECT_LE(off, 2e-5F * most) << name;
}

TEST(Golden, GradientsAreThoseOfTorch) {
  Threads threads(2);
  const GoldenModels models(threads);
  TunedModel tuned = test::must(TunedModel::create(models.original, models.quantised, kSequence, threads));
  test::Matrix hidden(models.tokens.size(), models.original.config.hidden_size);
  tuned.run_original(models.tokens, hidden.view());
  std::vector<float> gradient(tuned.size());
  Sink sink;
  const double loss = test::must(tuned.gradient(models.tokens, hidden.view(), gradient, sink));

  double wanted = 0;
  const auto kl = models.expected.get<double>("kl");
  for (const double one : kl) wanted += one / static_cast<double>(kl.size());
  EXPECT_NEAR(loss, wanted, 1e-6);
  EXPECT_NEAR(test::must(tuned.kl(models.tokens, hidden.view(), sink)), wanted, 1e-6);

  std::span<const float> rest(gradient);
  const auto expect_next = [&](const std::string& name) {
    const auto values = models.expected.get<float>(name + ".gradient");
    expect_near(rest.first(values.size()), values, name);
    rest = rest.subspan(values.size());
  };
  for (std::size_t l = 0; l < models.original.layers.size(); ++l)
    for (const LinearKind kind : model::kLinearKinds) expect_next(GoldenModels::prefix(l, model::name(kind)));
  EXPECT_EQ(rest.size(), tuned.size() - tuned.first_gain());
  for (std::size_t l = 0; l < models.original.layers.size(); ++l)
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"}) expect_next(GoldenModels::prefix(l, norm));
  EXPECT_TRUE(rest.empty());
}

/// Keeps the gradients at the gains of q and k, as factors.
class HeadGains : public GradientObserver {
 public:
  explicit HeadGains(const model::Layer& layer) : layer_(layer) {}
  void linear(LinearKind, MatrixView<const float>, MatrixView<const float>) override {}
  void norm(model::Role role, std::span<const float> gradient) override {
    if (role != model::Role::kQNorm && role != model::Role::kKNorm) return;
    const std::vector<float>& gains = role == model::Role::kQNorm ? layer_.q_norm : layer_.k_norm;
    std::vector<float>& target = role == model::Role::kQNorm ? q : k;
    for (std::size_t j = 0; j < gains.size(); ++j) target.push_back(gains[j] * gradient[j]);
  }
  std::vector<float> q, k;

 private:
  const model::Layer& layer_;
};

TEST(Golden, GradientsOfTheHeadNormsAreThoseOfTorch) {
  Threads threads(2);
  const GoldenModels models(threads);
  const std::size_t count = models.tokens.size(), hidden = models.original.config.hidden_size;
  test::Matrix first(count, hidden), second(count, hidden), last(count, hidden), original(count, hidden),
      dx(count, hidden), d_hidden(count, hidden);
  TunedModel tuned = test::must(TunedModel::create(models.original, models.quantised, kSequence, threads));
  tuned.run_original(models.tokens, original.view());
  const model::Layer &one = models.quantised.layers[0], &two = models.quantised.layers[1];
  Block block(models.original.config, kSequence, threads);
  model::embed(models.original, models.tokens, threads, first.view());
  second.values = first.values;
  block.forward(TunedLayer(one), second.view());
  last.values = second.values;
  block.forward(TunedLayer(two), last.view());
  test::Matrix normed = last;
  model::final_norm(models.original, threads, normed.view());
  HeadScratch scratch;
  (void)kl_of_head(threads, rows_of(models.original.lm_head), original.view(), normed.view(), scratch, d_hidden.view());
  for (std::size_t t = 0; t < count; ++t)
    add_rms_norm_gradient(last.view().row(t), models.original.norm,
                          static_cast<float>(models.original.config.rms_norm_eps), d_hidden.view().row(t),
                          dx.view().row(t));
  HeadGains of_two(two), of_one(one);
  block.gradient(TunedLayer(two), second.view(), dx.view(), of_two);
  block.gradient(TunedLayer(one), first.view(), dx.view(), of_one);
  const auto wanted = [&](std::size_t l, const char* norm) {
    return models.expected.get<float>(GoldenModels::prefix(l, norm) + ".gradient");
  };
  expect_near(of_one.q, wanted(0, "self_attn.q_norm"), "q_norm 0");
  expect_near(of_one.k, wanted(0, "self_attn.k_norm"), "k_norm 0");
  expect_near(of_two.q, wanted(1, "self_attn.q_norm"), "q_norm 1");
  expect_near(of_two.k, wanted(1, "self_attn.k_norm"), "k_norm 1");
}

}  // namespace
}  // namespace lieq::tune
