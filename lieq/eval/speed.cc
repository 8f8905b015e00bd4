#include "lieq/eval/speed.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <numeric>

#include <fmt/format.h>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/read_words.h"

namespace lieq::eval {
namespace {

using model::TokenId;
using Clock = std::chrono::steady_clock;

double elapsed(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Runs passes over one model and one cache.
class Runner {
 public:
  Runner(const model::Model& model, std::size_t context, model::RunState& state)
      : model_(model), state_(state), cache_(model.config, context) {}

  [[nodiscard]] const model::KvCache& cache() const { return cache_; }

  /// Tokens per second of one prompt from an empty context.
  double prompt(std::size_t tokens) {
    cache_.truncate(0);
    const auto start = Clock::now();
    pass(tokens);
    return static_cast<double>(tokens) / elapsed(start);
  }

  /// Tokens per second of single tokens from an empty context.
  double decode(std::size_t tokens) {
    cache_.truncate(0);
    const auto start = Clock::now();
    for (std::size_t i = 0; i < tokens; ++i) pass(1);
    return static_cast<double>(tokens) / elapsed(start);
  }

 private:
  void pass(std::size_t tokens) {
    constexpr std::size_t kStep = 7919;  // a prime: neighbours in the text are no neighbours in the embedding
    ids_.resize(tokens);
    for (std::size_t t = 0; t < tokens; ++t)
      ids_[t] = static_cast<TokenId>((cache_.length() + t + 1) * kStep % model_.config.vocab_size);
    const MatrixView<float> hidden = hidden_.matrix(tokens, model_.config.hidden_size);
    const model::SequenceSpan sequence{tokens, &cache_};
    model::forward(model_, ids_, {&sequence, 1}, state_, hidden);
    model::logits(model_, hidden.rows(tokens - 1, 1), state_, logits_.matrix(1, model_.config.vocab_size));
  }

  const model::Model& model_;
  model::RunState& state_;
  model::KvCache cache_;
  std::vector<TokenId> ids_;
  kernels::Buffer<float> hidden_, logits_;
};

}  // namespace

double Rates::mean() const {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Rates::deviation() const {
  if (values.size() < 2) return 0;
  const double middle = mean();
  double squares = 0;
  for (const double value : values) squares += (value - middle) * (value - middle);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double Rates::best() const { return values.empty() ? 0 : *std::ranges::max_element(values); }

Result<Speed> measure_speed(const model::Model& model, const SpeedOptions& options, model::RunState& state) {
  const std::size_t context = std::max(options.prompt_tokens, options.new_tokens);
  if (context > model.config.max_position_embeddings)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("prompt or new tokens: found {}, expected at most max_position_embeddings = {} of {}",
                            context, model.config.max_position_embeddings, model.path.string()));
  Runner runner(model, context, state);
  Speed speed;
  for (std::size_t i = 0; i <= options.repetitions; ++i) {
    if (options.prompt_tokens > 0) speed.prompt.values.push_back(runner.prompt(options.prompt_tokens));
    if (options.new_tokens > 0) speed.decode.values.push_back(runner.decode(options.new_tokens));
    if (i > 0) continue;
    speed.prompt.values.clear();  // the first run brings weights and scratch into memory
    speed.decode.values.clear();
  }
  speed.cache_bytes = runner.cache().bytes();
  model::Footprint read = model::linears_footprint(model);
  read.add(model.lm_head);
  const std::size_t token_cache_bytes = 2 * model.layers.size() * model.config.kv_size() * sizeof(std::uint16_t);
  speed.bytes_per_token = read.memory + token_cache_bytes * options.new_tokens / 2;
  return speed;
}

double read_bandwidth(Threads& threads) {
  constexpr std::size_t kCount = std::size_t{32} << 20, kItem = std::size_t{1} << 17;  // 256 MiB, 1 MiB
  constexpr int kPasses = 5;
  kernels::Buffer<std::uint64_t> buffer;
  std::uint64_t* values = buffer.reserve(kCount);
  threads.for_each(kCount / kItem, [&](std::size_t i, std::size_t) { std::fill_n(values + i * kItem, kItem, 1); });
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = Clock::now();
    const std::uint64_t sum = kernels::read_words(threads, {values, kCount});
    const double seconds = elapsed(start);
    // Uses what was read, so that no compiler leaves the reading out.
    LIEQ_CHECK(sum == kCount);
    best = std::max(best, static_cast<double>(kCount * sizeof(std::uint64_t)) / seconds);
  }
  return best;
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace lieq::eval
