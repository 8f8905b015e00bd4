#include "lieq/tune/check.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lieq/tune/block.h"

namespace lieq::tune {
namespace {

constexpr double kTolerance = 1e-3;  // of the largest value of a row: float32 sums in another order stay far below

}  // namespace

Result<void> check_tunable(const model::Model& model) {
  const model::ModelConfig& config = model.config;
  const auto lacks = [&](const std::vector<float>& norm) { return norm.size() != config.hidden_size; };
  const auto differs = [&](const std::vector<float>& norm) { return !norm.empty() && norm.size() != config.head_dim; };
  const auto has_window = [](const model::Layer& layer) { return layer.attention.window != 0; };
  const auto is_unrotated = [](const model::Layer& layer) { return !layer.attention.rotated; };
  const auto has_norm_behind = [](const model::Layer& layer) {
    return !layer.attention_output_norm.empty() || !layer.mlp_output_norm.empty();
  };
  // A feature that block.h lacks gets a line here.
  const std::pair<bool, std::string_view> unknown[] = {
      {std::ranges::any_of(model.layers, lacks, &model::Layer::input_layernorm), "attention without a norm before it"},
      {std::ranges::any_of(model.layers, lacks, &model::Layer::post_attention_layernorm),
       "an MLP without a norm before it"},
      {std::ranges::any_of(model.layers, differs, &model::Layer::q_norm), "norms of q over the whole row"},
      {std::ranges::any_of(model.layers, differs, &model::Layer::k_norm), "norms of k over the whole row"},
      {std::ranges::any_of(model.layers, has_window), "attention with a sliding window"},
      {std::ranges::any_of(model.layers, is_unrotated), "attention without a rotary embedding"},
      {std::ranges::any_of(model.layers, has_norm_behind), "a norm behind attention or the MLP"},
      {config.rotated() != config.head_dim, "heads that are rotated in part"},
      {config.rope.query_growth != 0, "queries that grow with their position"},
      {config.attention_scale != 0, "a scale of attention"},
      {config.residual_multiplier != 1, "a multiplier of the residual stream"},
      {config.activation != model::Activation::kSilu, "an activation other than SiLU"},
      {config.logits_scaling != 1, "scaled logits"},
      {config.final_logit_softcap != 0, "a soft cap of the logits"},
  };
  for (const auto& [has, what] : unknown)
    if (has)
      return fail(ErrorCode::kUnsupported,
                  fmt::format("{}: found {}, which tuning has no gradient of", model.path.string(), what));
  return {};
}

Result<void> compare_forward(const model::Model& model, std::span<const model::TokenId> tokens, Threads& threads,
                             Sink& sink) {
  const std::size_t hidden = model.config.hidden_size;
  std::vector<float> values(tokens.size() * hidden), others;
  const MatrixView<float> x(values.data(), tokens.size(), hidden);
  model::embed(model, tokens, threads, x);
  model::RunState state(model, threads, kernels::Compute::kF32);
  Block block(model.config, tokens.size(), threads);
  const model::SequenceSpan sequence{tokens.size(), nullptr};
  for (std::size_t l = 0; l < model.layers.size(); ++l) {
    LIEQ_TRY(check_cancelled(sink));
    sink.progress("checking that tuning runs the model as inference does: layers", l, model.layers.size());
    others = values;
    const MatrixView<float> y(others.data(), tokens.size(), hidden);
    model::run_block(model, l, {&sequence, 1}, x, state);
    block.forward(TunedLayer(model.layers[l]), y);
    double worst = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      float most = 0, off = 0;
      bool finite = true;
      for (std::size_t j = 0; j < hidden; ++j) {
        finite = finite && std::isfinite(x(t, j)) && std::isfinite(y(t, j));
        most = std::max(most, std::fabs(x(t, j)));
        off = std::max(off, std::fabs(x(t, j) - y(t, j)));
      }
      worst = std::max(worst, !finite ? HUGE_VAL : off == 0 ? 0 : static_cast<double>(off / most));
    }
    if (worst > kTolerance)
      return fail(
          ErrorCode::kUnsupported,
          fmt::format("{}: layer {}: the forward pass of tuning is off by {:.3g} of the model's own, expected at "
                      "most {}: it lacks a step of this family",
                      model.path.string(), l, worst, kTolerance));
  }
  return {};
}

}  // namespace lieq::tune
