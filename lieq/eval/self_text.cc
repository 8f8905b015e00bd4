#include "lieq/eval/self_text.h"

#include <cmath>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "lieq/eval/sample.h"
#include "lieq/kernels/softmax.h"

namespace lieq::eval {

using model::TokenId;

namespace {

TokenId first_token(const model::ModelConfig& config, std::mt19937_64& random) {
  if (!config.bos_token_id.empty() && config.bos_token_id.front() < config.vocab_size)
    return static_cast<TokenId>(config.bos_token_id.front());
  if (!config.eos_token_id.empty() && config.eos_token_id.front() < config.vocab_size)
    return static_cast<TokenId>(config.eos_token_id.front());
  return static_cast<TokenId>(random() % config.vocab_size);
}

}  // namespace

Result<std::vector<TokenId>> sample_self_text(const model::Model& model, const SelfTextOptions& options,
                                              Threads& threads, Sink& sink) {
  const model::ModelConfig& config = model.config;
  if (options.length == 0 || options.length > config.max_position_embeddings)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("self text: found length {}, expected 1 to max_position_embeddings = {}", options.length,
                            config.max_position_embeddings));
  const std::size_t count = options.sequences;
  std::vector<std::unique_ptr<model::KvCache>> caches;
  std::vector<model::SequenceSpan> sequences;
  std::vector<std::mt19937_64> random;
  std::vector<TokenId> current(count), all(count * options.length);
  for (std::size_t s = 0; s < count; ++s) {
    caches.push_back(std::make_unique<model::KvCache>(config, options.length));
    sequences.push_back({1, caches.back().get()});
    random.emplace_back(options.seed * 1000003 + s);
    current[s] = first_token(config, random.back());
  }
  model::RunState state(model, threads, kernels::Compute::kF32);
  kernels::Buffer<float> hidden_buffer, logit_buffer;
  const MatrixView<float> hidden = hidden_buffer.matrix(count, config.hidden_size);
  const MatrixView<float> logits = logit_buffer.matrix(count, config.vocab_size);
  sink.progress("sampling calibration text", 0, options.length);
  for (std::size_t t = 0; t < options.length; ++t) {
    LIEQ_TRY(check_cancelled(sink));
    for (std::size_t s = 0; s < count; ++s) all[s * options.length + t] = current[s];
    if (t + 1 == options.length) break;
    model::forward(model, current, sequences, state, hidden);
    model::logits(model, hidden, state, logits);
    std::vector<char> finite(count);
    threads.for_each(count, [&](std::size_t s, std::size_t) {
      finite[s] = std::isfinite(kernels::log_sum_exp(logits.row(s)));
      const double uniform = static_cast<double>(random[s]() >> 11) * 0x1p-53;  // 53 random bits as a fraction
      if (finite[s]) current[s] = static_cast<TokenId>(pick_token(logits.row(s), options.temperature, uniform));
    });
    for (const char good : finite)
      if (!good)
        return fail(ErrorCode::kNumerical,
                    fmt::format("{}: logits: found NaN or infinity at position {}, expected finite values",
                                model.path.string(), t));
    sink.progress("sampling calibration text", t + 1, options.length);
  }
  return all;
}

}  // namespace lieq::eval
