#include "lieq/tune/tuned_model.h"

#include <gtest/gtest.h>

#include "lieq/kernels/softmax.h"
#include "tests/tune/small.h"

namespace lieq::tune {
namespace {

struct Tuned {
  explicit Tuned(std::size_t count) : threads(count), models(threads), hidden(models.tokens.size(), 32) {
    tuned.emplace(test::must(TunedModel::create(models.original, models.quantised, kSequence, threads)));
    tuned->run_original(models.tokens, hidden.view());
  }
  double kl(const std::vector<float>& values, Rounding rounding) {
    tuned->set(values, rounding);
    return test::must(tuned->kl(models.tokens, hidden.view(), sink));
  }

  Threads threads;
  Sink sink;
  GoldenModels models;
  test::Matrix hidden;
  std::optional<TunedModel> tuned;
};

TEST(TunedModel, GradientIsTheSlopeAwayFromTheStart) {
  Tuned t(2);
  std::vector<float> values = random_floats(t.tuned->size(), 1), gradient(values.size());
  for (float& v : values) v *= 0.05F;
  t.tuned->set(values, Rounding::kExact);
  const double loss = test::must(t.tuned->gradient(t.models.tokens, t.hidden.view(), gradient, t.sink));
  EXPECT_DOUBLE_EQ(loss, t.kl(values, Rounding::kExact));
  // Scales and gains apart: the many scales would hide a wrong gain.
  for (const bool gains : {false, true}) {
    std::vector<float> direction = random_floats(values.size(), gains ? 2 : 3);
    for (std::size_t i = 0; i < direction.size(); ++i)
      if ((i >= t.tuned->first_gain()) != gains) direction[i] = 0;
    constexpr float kStep = 2e-3F;
    const auto moved = [&](float step) {
      std::vector<float> at = values;
      for (std::size_t i = 0; i < at.size(); ++i) at[i] += step * direction[i];
      return t.kl(at, Rounding::kExact);
    };
    const double slope = (moved(kStep) - moved(-kStep)) / (2 * static_cast<double>(kStep));
    EXPECT_NEAR(inner(gradient, direction), slope, 2e-3 * std::fabs(slope)) << gains;
  }
}

TEST(TunedModel, GivesTheSameBitsForAnyThreadCount) {
  std::vector<float> first;
  for (const std::size_t count : {1U, 2U, 3U}) {
    Tuned t(count);
    std::vector<float> gradient(t.tuned->size());
    (void)test::must(t.tuned->gradient(t.models.tokens, t.hidden.view(), gradient, t.sink));
    if (first.empty()) first = gradient;
    EXPECT_EQ(first, gradient) << count;
  }
}

/// What is judged as stored is what inference makes of the stored values.
TEST(TunedModel, StoredValuesMakeTheModelThatWasJudged) {
  Tuned t(2);
  std::vector<float> values = random_floats(t.tuned->size(), 7);
  for (float& v : values) v *= 0.1F;
  const double judged = t.kl(values, Rounding::kStored);
  EXPECT_NE(judged, t.kl(values, Rounding::kExact));

  model::Model saved = t.models.quantised;
  t.tuned->set(values, Rounding::kStored);
  for (std::size_t l = 0, m = 0; l < saved.layers.size(); ++l) {
    const TunedModel::Values stored = t.tuned->values(l);
    for (const model::LinearKind kind : model::kLinearKinds) {
      pack::QuantizedMatrix matrix = t.models.matrices[m++];
      matrix.scales = stored.scales[static_cast<std::size_t>(kind)];
      saved.layers[l].linear(kind).weight.packed = std::make_shared<const pack::PackedMatrix>(t.threads, matrix);
    }
    saved.layers[l].input_layernorm = stored.input_layernorm;
    saved.layers[l].post_attention_layernorm = stored.post_attention_layernorm;
  }
  model::RunState state(saved, t.threads, kernels::Compute::kF32);
  const std::size_t count = t.models.tokens.size(), vocab = saved.config.vocab_size;
  test::Matrix hidden(count, 32), p(count, vocab), q(count, vocab);
  const std::vector<model::SequenceSpan> sequences(count / kSequence, {kSequence, nullptr});
  model::forward(saved, t.models.tokens, sequences, state, hidden.view());
  model::logits(saved, t.hidden.view(), state, p.view());
  model::logits(saved, hidden.view(), state, q.view());
  double kl = 0;
  for (std::size_t i = 0; i < count; ++i)
    kl += kernels::kl_divergence(p.view().row(i), kernels::log_sum_exp(p.view().row(i)), q.view().row(i),
                                 kernels::log_sum_exp(q.view().row(i))) /
          static_cast<double>(count);
  EXPECT_NEAR(judged, kl, 1e-6);
}

TEST(TunedModel, ZerosAreTheModelItself) {
  Tuned t(2);
  const std::vector<float> zeros(t.tuned->size());
  EXPECT_EQ(t.kl(zeros, Rounding::kStored), t.kl(zeros, Rounding::kExact));
  t.tuned->set(zeros, Rounding::kStored);
  EXPECT_EQ(t.tuned->values(1).scales[3], t.models.matrices[model::kLinearsPerLayer + 3].scales);
  EXPECT_EQ(t.tuned->values(1).input_layernorm, t.models.original.layers[1].input_layernorm);
}

TEST(TunedModel, RefusesLinearsWithoutGroupsInOrder) {
  Threads threads(1);
  GoldenModels models(threads);
  models.quantised.layers[1].linear(model::LinearKind::kUp).weight =
      models.original.layers[1].linear(model::LinearKind::kUp).weight;
  const auto refused = TunedModel::create(models.original, models.quantised, kSequence, threads);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("layer 1 mlp.up_proj: found F16"), std::string::npos)
      << refused.error().message;
}

}  // namespace
}  // namespace lieq::tune
