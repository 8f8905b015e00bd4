#include "lieq/eval/self_text.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include "lieq/eval/repetition.h"
#include "lieq/kernels/softmax.h"

namespace lieq::eval {

using model::TokenId;

namespace {

/// A text is given up when more than half of the 4-grams among its last tokens stood there before.
constexpr std::size_t kLookBack = 96, kLookEvery = 32;
constexpr double kMostRepeated = 0.5;

TokenId first_token(const model::ModelConfig& config, Random& random) {
  for (const auto* ids : {&config.bos_token_id, &config.eos_token_id})
    if (!ids->empty() && ids->front() < config.vocab_size) return static_cast<TokenId>(ids->front());
  return static_cast<TokenId>(random.below(config.vocab_size));
}

/// The openings of one kind in an order of the seed's, dealt to the sequences of that kind in turn.
std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed, std::size_t kind) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(seed, kind, 1);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

/// One sequence in the making.
class Writer {
 public:
  Writer(const SelfTextOptions& options, const model::ModelConfig& config, std::size_t number)
      : options_(options), sampler_(sampling_of(options.sampling, number)) {
    if (options.kinds.empty()) {
      Random random(options.sampling.seed, number, 2);
      bos_ = {first_token(config, random)};
    } else {
      const std::size_t kinds = options.kinds.size();
      openings_ = &options.kinds[number % kinds];
      order_ = shuffled(openings_->size(), options.sampling.seed, number % kinds);
      turn_ = number / kinds;
      stride_ = (options.sequences + kinds - 1) / kinds;
    }
    begin_text();
  }

  /// The token to read next.
  TokenId next() {
    if (read_ == ids_.size()) ids_.push_back(given()[given_at_++]);
    return ids_[read_++];
  }
  /// Whether nothing is left to read but what the model says now.
  [[nodiscard]] bool listens() const { return read_ == ids_.size() && given_at_ == given().size(); }
  void hear(std::span<float> logits) {
    ids_.push_back(sampler_.pick(logits, {}));
    if (std::ranges::count(options_.stop_tokens, ids_.back()) > 0 || is_stuck()) begin_text();
  }
  [[nodiscard]] const std::vector<TokenId>& ids() const { return ids_; }

 private:
  static SamplingOptions sampling_of(SamplingOptions sampling, std::size_t number) {
    sampling.seed = Random(sampling.seed, number).bits();
    return sampling;
  }
  [[nodiscard]] const std::vector<TokenId>& given() const { return openings_ ? (*openings_)[opening_] : bos_; }

  void begin_text() {
    text_begin_ = ids_.size();
    if (openings_) {
      opening_ = order_[turn_ % order_.size()];
      turn_ += stride_;
    } else if (!ids_.empty()) {
      return;  // nothing to begin with but the stop token itself
    }
    given_at_ = 0;
  }

  [[nodiscard]] bool is_stuck() const {
    const std::size_t length = ids_.size() - text_begin_;
    if (length < kLookBack || length % kLookEvery != 0) return false;
    return repeated_share(std::span(ids_).last(kLookBack)) > kMostRepeated;
  }

  const SelfTextOptions& options_;
  Sampler sampler_;
  const Openings* openings_ = nullptr;
  std::vector<std::size_t> order_;
  std::vector<TokenId> bos_, ids_;
  std::size_t turn_ = 0, stride_ = 1, opening_ = 0, given_at_ = 0, text_begin_ = 0, read_ = 0;
};

Result<void> check(const SelfTextOptions& options, const model::Model& model) {
  LIEQ_TRY(eval::check(options.sampling));
  const model::ModelConfig& config = model.config;
  if (options.length == 0 || options.length > config.max_position_embeddings)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("self text: found length {}, expected 1 to max_position_embeddings = {}", options.length,
                            config.max_position_embeddings));
  for (const Openings& kind : options.kinds)
    for (const auto& opening : kind)
      for (const TokenId id : opening)
        if (id < 0 || static_cast<std::size_t>(id) >= config.vocab_size)
          return fail(ErrorCode::kInvalidArgument, fmt::format("{}: the tokenizer gives id {}, expected one below {}",
                                                               model.path.string(), id, config.vocab_size));
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

  /// The next token of all of them; `last`: nothing follows.
  Result<void> step(bool last) {
    std::vector<TokenId> current;
    for (Writer& writer : writers_) current.push_back(writer.next());
    if (last) return {};
    model::forward(model_, current, sequences_, state_, hidden_);
    model::logits(model_, hidden_, state_, logits_);
    std::vector<char> finite(writers_.size());
    threads_.for_each(writers_.size(), [&](std::size_t s, std::size_t) {
      finite[s] = std::isfinite(kernels::log_sum_exp(logits_.row(s)));
      if (finite[s] && writers_[s].listens()) writers_[s].hear(logits_.row(s));
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

Result<std::vector<TokenId>> sample_self_text(const model::Model& model, const SelfTextOptions& options,
                                              Threads& threads, Sink& sink) {
  LIEQ_TRY(check(options, model));
  const std::size_t one = model::KvCache(model.config, options.length).bytes();
  const std::size_t most = std::max<std::size_t>(1, options.cache_bytes / std::max<std::size_t>(1, one));
  const std::size_t batches = (options.sequences + most - 1) / most, steps = batches * options.length;
  std::vector<TokenId> all;
  sink.progress("sampling calibration text", 0, steps);
  for (std::size_t b = 0; b < batches; ++b) {
    const std::size_t first = b * options.sequences / batches, next = (b + 1) * options.sequences / batches;
    Batch batch(model, options, first, next - first, threads);
    for (std::size_t t = 0; t < options.length; ++t) {
      LIEQ_TRY(check_cancelled(sink));
      LIEQ_TRY(batch.step(t + 1 == options.length));
      sink.progress("sampling calibration text", b * options.length + t + 1, steps);
    }
    for (const Writer& writer : batch.writers()) all.insert(all.end(), writer.ids().begin(), writer.ids().end());
  }
  return all;
}

}  // namespace lieq::eval
