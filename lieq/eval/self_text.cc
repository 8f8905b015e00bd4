#include "lieq/eval/self_text.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "lieq/kernels/softmax.h"

namespace lieq::eval {

using model::TokenId;

namespace {

TokenId first_token(const model::ModelConfig& config, Random& random) {
  for (const auto* ids : {&config.bos_token_id, &config.eos_token_id})
    if (!ids->empty() && ids->front() < config.vocab_size) return static_cast<TokenId>(ids->front());
  return static_cast<TokenId>(random.below(config.vocab_size));
}

/// One sequence in the making.
class Writer {
 public:
  Writer(const SelfTextOptions& options, const model::ModelConfig& config, std::size_t number)
      : sampler_(sampling_of(options.sampling, number)) {
    Random random(options.sampling.seed, number, 2);
    ids_ = {first_token(config, random)};
  }

  /// What follows the last token, by the model's logits there.
  void hear(std::span<float> logits) { ids_.push_back(sampler_.pick(logits, {})); }
  [[nodiscard]] const std::vector<TokenId>& ids() const { return ids_; }

 private:
  static SamplingOptions sampling_of(SamplingOptions sampling, std::size_t number) {
    sampling.seed = Random(sampling.seed, number).bits();
    return sampling;
  }

  Sampler sampler_;
  std::vector<TokenId> ids_;
};

Result<void> check(const SelfTextOptions& options, const model::Model& model) {
  LIEQ_TRY(eval::check(options.sampling));
  const model::ModelConfig& config = model.config;
  if (options.length == 0 || options.length > config.max_position_embeddings)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("self text: found length {}, expected 1 to max_position_embeddings = {}", options.length,
                            config.max_position_embeddings));
  return {};
}

/// The fastest arithmetic that leaves the text the model's own.
kernels::Compute compute_for(const model::Model& model) {
  const bool packed = !model.layers.empty() && model.layers.front().linears.front().weight.packed;
  return packed ? kernels::Compute::kInt8 : kernels::Compute::kBF16;
}

/// Sequences that are written side by side, one token a step.
class Batch {
 public:
  Batch(const model::Model& model, const SelfTextOptions& options, std::size_t first, std::size_t count,
        Threads& threads)
      : model_(model),
        threads_(threads),
        state_(model, threads, compute_for(model)),
        hidden_(hidden_buffer_.matrix(count, model.config.hidden_size)),
        logits_(logit_buffer_.matrix(count, model.config.vocab_size)) {
    for (std::size_t s = 0; s < count; ++s) {
      writers_.emplace_back(options, model.config, first + s);
      caches_.push_back(std::make_unique<model::KvCache>(model.config, options.length));
      sequences_.push_back({1, caches_.back().get()});
    }
  }

  /// One more token of all of them.
  Result<void> step() {
    std::vector<TokenId> current;
    for (const Writer& writer : writers_) current.push_back(writer.ids().back());
    model::forward(model_, current, sequences_, state_, hidden_);
    model::logits(model_, hidden_, state_, logits_);
    std::vector<char> finite(writers_.size());
    threads_.for_each(writers_.size(), [&](std::size_t s, std::size_t) {
      finite[s] = std::isfinite(kernels::log_sum_exp(logits_.row(s)));
      if (finite[s]) writers_[s].hear(logits_.row(s));
    });
    if (std::ranges::count(finite, 0) == 0) return {};
    return fail(ErrorCode::kNumerical,
                fmt::format("{}: logits: found NaN or infinity at position {}, expected finite values",
                            model_.path.string(), writers_.front().ids().size()));
  }

  [[nodiscard]] const std::vector<Writer>& writers() const { return writers_; }

 private:
  const model::Model& model_;
  Threads& threads_;
  std::vector<Writer> writers_;
  std::vector<std::unique_ptr<model::KvCache>> caches_;
  std::vector<model::SequenceSpan> sequences_;
  model::RunState state_;
  kernels::Buffer<float> hidden_buffer_, logit_buffer_;
  MatrixView<float> hidden_, logits_;
};

}  // namespace

std::size_t self_text_batches(const model::Model& model, const SelfTextOptions& options) {
  const std::size_t one = model::KvCache(model.config, options.length).bytes();
  const std::size_t most = std::max<std::size_t>(1, options.cache_bytes / std::max<std::size_t>(1, one));
  return (options.sequences + most - 1) / most;
}

Result<std::vector<TokenId>> sample_self_text(const model::Model& model, const SelfTextOptions& options,
                                              Threads& threads, Sink& sink) {
  LIEQ_TRY(check(options, model));
  const std::size_t batches = self_text_batches(model, options), steps = batches * options.length;
  std::vector<TokenId> all;
  sink.progress("sampling calibration text", 0, steps);
  for (std::size_t b = 0; b < batches; ++b) {
    const std::size_t first = b * options.sequences / batches, next = (b + 1) * options.sequences / batches;
    Batch batch(model, options, first, next - first, threads);
    for (std::size_t t = 1; t < options.length; ++t) {
      LIEQ_TRY(check_cancelled(sink));
      LIEQ_TRY(batch.step());
      sink.progress("sampling calibration text", b * options.length + t + 1, steps);
    }
    for (const Writer& writer : batch.writers()) all.insert(all.end(), writer.ids().begin(), writer.ids().end());
  }
  return all;
}

}  // namespace lieq::eval
