#include "lieq/tune/tuned_model.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/tune/check.h"

namespace lieq::tune {
namespace {

using model::LinearKind;

constexpr float kLargestHalf = 65504;

std::size_t index(LinearKind kind) { return static_cast<std::size_t>(kind); }

std::size_t scales_of(const pack::StoredMatrix& weight) { return weight.rows * weight.packed->groups(); }

float scale_at(const pack::PackedMatrix& matrix, std::size_t row, std::size_t group) {
  return f16_to_float(matrix.scales(row / kRun, group)[row % kRun]);
}

/// The half nearest to a scale times its factor.
std::uint16_t rounded(float scale, float factor) {
  return float_to_f16(std::clamp(scale * factor, -kLargestHalf, kLargestHalf));
}

}  // namespace

/// Adds one layer's gradients to their places.
class TunedModel::Observer : public GradientObserver {
 public:
  Observer(TunedModel& tuned, std::size_t l, std::span<float> gradient)
      : tuned_(tuned), place_(tuned.offsets_.layers[l]), layer_(tuned.layer(l)), gradient_(gradient) {}

  void linear(LinearKind kind, MatrixView<const float> input, MatrixView<const float> d_output) override {
    const pack::PackedMatrix& packed = *layer_.layer->linear(kind).weight.packed;
    const MatrixView<float> target(gradient_.data() + place_.scales[index(kind)], packed.rows(), packed.groups());
    add_scale_gradient(*tuned_.threads_, layer_.weight(kind), packed.group_size(), input, d_output, tuned_.products_,
                       target);
  }
  void norm(model::Role role, std::span<const float> gradient) override {
    // At the logarithm of a gain's factor: the gain times the gradient there.
    const auto add = [&](std::span<const float> gains, std::size_t at) {
      for (std::size_t j = 0; j < gains.size(); ++j) gradient_[at + j] += gains[j] * gradient[j];
    };
    if (role == model::Role::kInputNorm) add(layer_.input_layernorm, place_.input_gain);
    if (role == model::Role::kPostAttentionNorm) add(layer_.post_attention_layernorm, place_.post_attention_gain);
  }

 private:
  TunedModel& tuned_;
  const Place& place_;
  TunedLayer layer_;
  std::span<float> gradient_;
};

Result<TunedModel> TunedModel::create(const model::Model& original, const model::Model& quantised, std::size_t length,
                                      Threads& threads) {
  LIEQ_TRY(check_tunable(quantised));
  LIEQ_CHECK(original.layers.size() == quantised.layers.size() &&
             original.config.hidden_size == quantised.config.hidden_size);
  for (std::size_t l = 0; l < quantised.layers.size(); ++l)
    for (const LinearKind kind : model::kLinearKinds) {
      const pack::StoredMatrix& weight = quantised.layers[l].linear(kind).weight;
      if (weight.packed && weight.packed->order().empty()) continue;
      return fail(ErrorCode::kUnsupported,
                  fmt::format("layer {} {}: found {}, expected packed codes in groups of consecutive columns", l,
                              model::name(kind), weight.packed ? "groups in another order" : weight.format()));
    }
  return TunedModel(original, quantised, length, threads);
}

TunedModel::TunedModel(const model::Model& original, const model::Model& quantised, std::size_t length,
                       Threads& threads)
    : quantised_(&quantised), threads_(&threads), walk_(original, length, threads) {
  for (const model::Layer& one : quantised.layers) {
    Place& place = offsets_.layers.emplace_back();
    for (const LinearKind kind : model::kLinearKinds) {
      place.scales[index(kind)] = offsets_.end;
      offsets_.end += scales_of(one.linear(kind).weight);
    }
  }
  offsets_.first_gain = offsets_.end;
  for (Place& place : offsets_.layers) {
    place.input_gain = offsets_.end;
    place.post_attention_gain = offsets_.end + quantised.config.hidden_size;
    offsets_.end += 2 * quantised.config.hidden_size;
  }
  factors_.resize(offsets_.end);
  set(std::vector<float>(offsets_.end), Rounding::kExact);
}

void TunedModel::set(std::span<const float> values, Rounding rounding) {
  LIEQ_CHECK(values.size() == size());
  threads_->for_each(offsets_.layers.size(), [&](std::size_t l, std::size_t) {
    const Place& place = offsets_.layers[l];
    const model::Layer& one = quantised_->layers[l];
    for (const LinearKind kind : model::kLinearKinds) {
      const pack::PackedMatrix& packed = *one.linear(kind).weight.packed;
      const std::size_t groups = packed.groups();
      for (std::size_t i = 0; i < packed.rows() * groups; ++i) {
        const std::size_t at = place.scales[index(kind)] + i;
        factors_[at] = std::exp(values[at]);
        const float scale = scale_at(packed, i / groups, i % groups);
        if (rounding == Rounding::kStored && scale != 0)
          factors_[at] = f16_to_float(rounded(scale, factors_[at])) / scale;
      }
    }
    const auto set_gains = [&](const std::vector<float>& gains, std::size_t at) {
      for (std::size_t j = 0; j < gains.size(); ++j) factors_[at + j] = gains[j] * std::exp(values[at + j]);
    };
    set_gains(one.input_layernorm, place.input_gain);
    set_gains(one.post_attention_layernorm, place.post_attention_gain);
  });
}

TunedLayer TunedModel::layer(std::size_t l) const {
  const Place& place = offsets_.layers[l];
  const std::span<const float> all(factors_);
  TunedLayer one(quantised_->layers[l]);
  for (const LinearKind kind : model::kLinearKinds)
    one.factors[index(kind)] = all.subspan(place.scales[index(kind)], scales_of(one.layer->linear(kind).weight));
  one.input_layernorm = all.subspan(place.input_gain, quantised_->config.hidden_size);
  one.post_attention_layernorm = all.subspan(place.post_attention_gain, quantised_->config.hidden_size);
  return one;
}

TunedModel::Values TunedModel::values(std::size_t l) const {
  const TunedLayer one = layer(l);
  Values values;
  for (const LinearKind kind : model::kLinearKinds) {
    const pack::PackedMatrix& packed = *one.layer->linear(kind).weight.packed;
    std::vector<std::uint16_t>& scales = values.scales[index(kind)];
    for (std::size_t i = 0; i < packed.rows() * packed.groups(); ++i)
      scales.push_back(
          rounded(scale_at(packed, i / packed.groups(), i % packed.groups()), one.factors[index(kind)][i]));
  }
  values.input_layernorm.assign(one.input_layernorm.begin(), one.input_layernorm.end());
  values.post_attention_layernorm.assign(one.post_attention_layernorm.begin(), one.post_attention_layernorm.end());
  return values;
}

void TunedModel::run_original(std::span<const model::TokenId> tokens, MatrixView<float> hidden) {
  walk_.run_original(tokens, hidden);
}

Result<double> TunedModel::kl(std::span<const model::TokenId> tokens, MatrixView<const float> original, Sink& sink) {
  return walk_.kl(
      tokens, original, [&](std::size_t l) { return layer(l); }, sink);
}

Result<double> TunedModel::gradient(std::span<const model::TokenId> tokens, MatrixView<const float> original,
                                    std::span<float> gradient, Sink& sink) {
  LIEQ_CHECK(gradient.size() == size());
  std::ranges::fill(gradient, 0.0F);
  return walk_.gradient(
      tokens, original, [&](std::size_t l) { return layer(l); },
      [&](std::size_t l) { return std::make_unique<Observer>(*this, l, gradient); }, sink);
}

}  // namespace lieq::tune
