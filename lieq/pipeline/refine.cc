#include "lieq/pipeline/refine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "lieq/base/random.h"
#include "lieq/pipeline/refine_state.h"
#include "lieq/pipeline/run_memory.h"
#include "lieq/tune/check.h"

namespace lieq::pipeline {
namespace {

using text::TokenId;
using tune::Rounding;

constexpr const char* kStage = "refining scales and gains";
constexpr std::uint64_t kOrderSeed = 42;  // of the order in which sequences are seen

/// Windows cut into sequences of equal length; what is left of a window is not used.
struct Sequences {
  std::size_t length = 0;
  std::vector<TokenId> ids;

  Sequences(const std::vector<TokenId>& windows, std::size_t window, std::size_t wanted)
      : length(std::min(wanted, window)) {
    for (std::size_t first = 0; first + window <= windows.size(); first += window)
      for (std::size_t t = 0; t + length <= window; t += length) {
        const auto begin = windows.begin() + static_cast<std::ptrdiff_t>(first + t);
        ids.insert(ids.end(), begin, begin + static_cast<std::ptrdiff_t>(length));
      }
  }
  [[nodiscard]] std::size_t count() const { return ids.size() / length; }
  [[nodiscard]] std::span<const TokenId> at(std::size_t first, std::size_t sequences) const {
    return std::span(ids).subspan(first * length, sequences * length);
  }
};

std::size_t sequences_of_step(const RefineOptions& options, const Sequences& text) {
  return std::clamp<std::size_t>(options.tokens / text.length, 1, text.count());
}

/// Every sequence once in a random order, then once more in another.
std::vector<TokenId> tokens_of_step(const Sequences& text, std::size_t step, std::size_t sequences) {
  std::vector<TokenId> ids;
  std::vector<std::size_t> order(text.count());
  for (std::size_t k = step * sequences; k < (step + 1) * sequences; ++k) {
    if (ids.empty() || k % text.count() == 0) {
      std::iota(order.begin(), order.end(), 0);
      Random random(kOrderSeed, k / text.count());
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    }
    const auto sequence = text.at(order[k % text.count()], 1);
    ids.insert(ids.end(), sequence.begin(), sequence.end());
  }
  return ids;
}

/// The validation text, and what the original makes of it.
class Judge {
 public:
  Judge(tune::TunedModel& tuned, const Sequences& text, std::size_t sequences, std::size_t hidden)
      : tuned_(tuned), text_(text), sequences_(sequences), hidden_(hidden), original_(text.ids.size() * hidden) {
    for (std::size_t s = 0; s < text_.count(); s += sequences_) tuned_.run_original(tokens(s), original(s));
  }

  /// Mean KL with these values, rounded as they are stored.
  Result<double> kl(std::span<const float> values, Sink& sink) {
    tuned_.set(values, Rounding::kStored);
    double sum = 0;
    for (std::size_t s = 0; s < text_.count(); s += sequences_) {
      sink.detail("validation: sequences", s, text_.count());
      LIEQ_ASSIGN(const double mean, tuned_.kl(tokens(s), original(s), sink));
      sum += mean * static_cast<double>(tokens(s).size());
    }
    return sum / static_cast<double>(text_.ids.size());
  }

 private:
  [[nodiscard]] std::span<const TokenId> tokens(std::size_t first) const {
    return text_.at(first, std::min(sequences_, text_.count() - first));
  }
  [[nodiscard]] MatrixView<float> original(std::size_t first) {
    return {&original_[first * text_.length * hidden_], tokens(first).size(), hidden_};
  }

  tune::TunedModel& tuned_;
  const Sequences& text_;
  std::size_t sequences_, hidden_;
  std::vector<float> original_;  // [tokens, hidden_size], what the head reads
};

/// The steps of one refinement.
class Steps {
 public:
  Steps(const RefineOptions& options, tune::TunedModel& tuned, const Sequences& text, std::size_t hidden,
        Threads& threads, Sink& sink)
      : options_(options),
        tuned_(tuned),
        text_(text),
        sequences_(sequences_of_step(options, text)),
        schedule_{options.steps, options.warm_up, options.rate},
        gradient_(tuned.size()),
        original_(sequences_ * text.length * hidden),
        hidden_(hidden),
        threads_(threads),
        sink_(sink) {}

  [[nodiscard]] std::size_t tokens() const { return sequences_ * text_.length; }

  /// One step of Adam. False: the KL was no number, and nothing is changed.
  Result<bool> make(RefineState& state) {
    const std::vector<TokenId> ids = tokens_of_step(text_, state.step, sequences_);
    const MatrixView<float> original(original_.data(), ids.size(), hidden_);
    tuned_.run_original(ids, original);
    tuned_.set(state.values, Rounding::kExact);
    LIEQ_ASSIGN(const double kl, tuned_.gradient(ids, original, gradient_, sink_));
    if (!std::isfinite(kl)) return false;
    const double rate = schedule_.at(state.step);
    const std::size_t gains = tuned_.first_gain();
    state.adam.step(threads_, state.step, rate, 0, gains, gradient_, state.values);
    state.adam.step(threads_, state.step, rate * options_.gain_share, gains, tuned_.size(), gradient_, state.values);
    ++state.step;
    return true;
  }

  /// Steps until the last one, or until looks find nothing better.
  Result<void> run(Judge& judge, const std::filesystem::path& file, RefineState& state) {
    using Clock = std::chrono::steady_clock;
    constexpr auto kMostLost = std::chrono::minutes(1);  // steps of large models take long
    auto written = Clock::now();
    while (!is_over(state)) {
      LIEQ_TRY(check_cancelled(sink_));
      LIEQ_ASSIGN(const bool made, make(state));
      if (!made) return give_up(state);
      sink_.progress(kStage, state.step, options_.steps);
      if (state.step % options_.judge_every == 0 || state.step == options_.steps) {
        LIEQ_ASSIGN(const double kl, judge.kl(state.values, sink_));
        if (!std::isfinite(kl)) return give_up(state);
        record(kl, state);
      } else if (Clock::now() - written < kMostLost) {
        continue;
      }
      LIEQ_TRY(state.write(file));
      written = Clock::now();
    }
    return {};
  }

  /// Adds a look; the first is the start.
  static void record(double kl, RefineState& state) {
    RefineRecord& record = state.record;
    record.history.emplace_back(state.step, kl);
    if (state.step == 0) record.start = kl;
    if (state.step > 0 && kl >= record.best) return;
    record.best = kl;
    record.best_step = state.step;
    state.best = state.values;
  }

  [[nodiscard]] bool is_over(const RefineState& state) const {
    const auto later = [&](const auto& look) { return look.first > state.record.best_step; };
    return state.step >= options_.steps ||
           static_cast<std::size_t>(std::ranges::count_if(state.record.history, later)) >= options_.patience;
  }

 private:
  Result<void> give_up(const RefineState& state) {
    sink_.warn(fmt::format("refining: after step {} the KL is no number, what was best at step {} is kept", state.step,
                           state.record.best_step));
    return {};
  }

  const RefineOptions& options_;
  tune::TunedModel& tuned_;
  const Sequences& text_;
  std::size_t sequences_;
  tune::Schedule schedule_;
  std::vector<float> gradient_, original_;  // the second: what the original's head reads, [tokens, hidden_size]
  std::size_t hidden_;
  Threads& threads_;
  Sink& sink_;
};

}  // namespace

Json to_json(const RefineOptions& options) {
  return {{"steps", options.steps},
          {"tokens", options.tokens},
          {"length", options.length},
          {"rate", options.rate},
          {"gain_share", options.gain_share},
          {"warm_up", options.warm_up},
          {"judge_every", options.judge_every},
          {"patience", options.patience},
          {"validation_tokens", options.validation_tokens}};
}

Result<void> check(const RefineOptions& options) {
  const auto refuse = [](std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); };
  if (options.steps == 0 || options.judge_every == 0 || options.length == 0 || options.validation_tokens == 0)
    return refuse("refine: found 0 steps or tokens, expected at least 1");
  if (options.tokens == 0) return refuse("refine: found 0 tokens of a step, expected at least 1");
  if (!(options.rate > 0 && options.rate <= 0.1))
    return refuse(fmt::format("refine: found a rate of {}, expected more than 0 and at most 0.1", options.rate));
  if (!(options.gain_share >= 0 && options.gain_share <= 1))
    return refuse(fmt::format("refine: found a share of {} for gains, expected 0 to 1", options.gain_share));
  return {};
}

Json to_json(const RefineRecord& record) {
  Json history = Json::array();
  for (const auto& [step, kl] : record.history) history.push_back({{"step", step}, {"kl", kl}});
  return {{"kl_start", record.start},
          {"kl", record.best},
          {"best_step", record.best_step},
          {"steps", record.steps},
          {"trained_tokens", record.trained_tokens},
          {"validation_tokens", record.validation_tokens},
          {"history", history}};
}

void Refinement::apply(std::size_t l, quantize::QuantizedLayer& layer) const {
  const tune::TunedModel::Values& values = layers[l];
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
    LIEQ_CHECK(layer.linears[k].scales.size() == values.scales[k].size());
    layer.linears[k].scales = values.scales[k];
  }
  layer.input_layernorm = values.input_layernorm;
  layer.post_attention_layernorm = values.post_attention_layernorm;
}

Result<void> check_refinable(const LayersJob& job, const RefineOptions& options, Threads& threads, Sink& sink) {
  LIEQ_TRY(check(options));
  if (makes_gguf(job.options))
    return fail(ErrorCode::kInvalidArgument,
                "--refine: found a K grid, expected sym, skew, asym or half, whose scales are free numbers");
  if (job.options.act_order == quantize::ActOrder::kDynamic)
    return fail(ErrorCode::kInvalidArgument,
                "--refine: found --act-order dynamic, expected none or static, which keep groups of neighbours");
  const model::Model& model = job.bundle->model;
  LIEQ_TRY(tune::check_tunable(model));
  const std::size_t length = std::min(options.length, job.calibration->window);
  return tune::compare_forward(model, std::span(job.calibration->ids).first(length), threads, sink);
}

Result<Refinement> refine(const LayersJob& job, const RefineOptions& options, const save::RunFolder& folder,
                          Threads& threads, Sink& sink) {
  const model::Model& original = job.bundle->model;
  const Calibration& calibration = *job.calibration;
  const Sequences text(calibration.ids, calibration.window, options.length);
  const Sequences validation(calibration.validation, calibration.window, options.length);
  const std::size_t hidden = original.config.hidden_size;
  LIEQ_CHECK(text.count() > 0 && validation.count() > 0);
  const auto layer = [&](std::size_t l) { return folder.read(l); };
  LIEQ_ASSIGN(const model::Model quantised, with_layers(job, layer, threads));
  LIEQ_ASSIGN(tune::TunedModel tuned, tune::TunedModel::create(original, quantised, text.length, threads));

  RefineState state(tuned.size());
  const std::filesystem::path file = folder.path() / "refine.safetensors";
  LIEQ_ASSIGN(const bool resumed, state.read(file));
  if (resumed) sink.note(fmt::format("going on after step {} of refining, from {}", state.step, file.string()));
  Steps steps(options, tuned, text, hidden, threads, sink);
  sink.progress(kStage, state.step, options.steps);
  if (!resumed || !steps.is_over(state)) {
    Judge judge(tuned, validation, steps.tokens() / text.length, hidden);
    if (!resumed) {
      LIEQ_ASSIGN(const double kl, judge.kl(state.values, sink));
      if (!std::isfinite(kl))
        return fail(ErrorCode::kNumerical,
                    fmt::format("refining: found a KL of {} before the first step, expected a number", kl));
      Steps::record(kl, state);
      LIEQ_TRY(state.write(file));
    }
    LIEQ_TRY(steps.run(judge, file, state));
  }

  tuned.set(state.best, Rounding::kStored);
  Refinement refinement;
  for (std::size_t l = 0; l < original.layers.size(); ++l) refinement.layers.push_back(tuned.values(l));
  refinement.record = state.record;
  refinement.record.steps = state.step;
  refinement.record.trained_tokens = state.step * steps.tokens();
  refinement.record.validation_tokens = validation.ids.size();
  return refinement;
}

StageSize size_of(const RefineOptions& options, const LayersJob& job) {
  const model::Model& model = job.bundle->model;
  const model::ModelConfig& c = model.config;
  const auto tokens = static_cast<double>(std::max(options.tokens, options.length));
  const auto steps = static_cast<double>(options.steps);
  const double linears = static_cast<double>(linears_footprint(model).parameters);
  const double head = static_cast<double>(c.vocab_size * c.hidden_size);
  const double attention = static_cast<double>(c.num_hidden_layers * c.q_size() * options.length);
  // The original, the quantised model, its blocks once more, gradients at inputs and at weights; the head thrice.
  const double step = tokens * (5 * linears + 3 * head + 7 * attention);
  const double looks = 1 + std::ceil(steps / static_cast<double>(options.judge_every));
  const double look = static_cast<double>(job.calibration->validation.size()) * (linears + 2 * head + attention);
  const double groups = job.options.group_size == 0 ? linears / static_cast<double>(c.hidden_size)
                                                    : linears / static_cast<double>(job.options.group_size);
  return {steps * step + looks * look,
          backward_memory(c, std::max(options.tokens, options.length)) + 4 * 6 * groups + linears * 4 / 8};
}

}  // namespace lieq::pipeline
