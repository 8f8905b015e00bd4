#include "lieq/diagnose/perplexity_drop.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "lieq/diagnose/passages.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/softmax.h"

namespace lieq::diagnose {
namespace {

using model::Model;
using model::ModelConfig;
using model::SequenceSpan;

constexpr std::size_t kBatchTokens = 2048;  // rows of one block pass: enough to be bound by arithmetic, not by weights

/// How many tokens fit in the budget.
struct Shape {
  std::size_t batch_rows;    ///< of one run_block, at least one passage
  std::size_t chunk_tokens;  ///< that advance together
};

/// Float32 scratch of a block per row of the batch: normed, delta; q, attended; k, v; gate, up.
std::size_t scratch_bytes_per_row(const ModelConfig& c) {
  return sizeof(float) * (2 * c.hidden_size + 2 * c.q_size() + 2 * c.kv_size() + 2 * c.intermediate_size);
}

Result<Shape> shape_of(const Model& model, std::span<const std::vector<TokenId>> passages, std::size_t memory) {
  const ModelConfig& config = model.config;
  std::size_t longest = 0;
  for (const auto& passage : passages) longest = std::max(longest, passage.size());
  const std::size_t per_row = scratch_bytes_per_row(config);
  const std::size_t per_token = sizeof(float) * config.hidden_size * (config.num_hidden_layers + 1);
  const std::size_t logits = sizeof(float) * config.vocab_size * model::logit_slice_rows(config);
  const std::size_t least = logits + longest * (per_row + per_token);
  if (memory < least)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "memory: found {} MiB, expected at least {} MiB for a passage of {} tokens through the {} variants of {}",
            memory >> 20, (least >> 20) + 1, longest, config.num_hidden_layers + 1, model.path.string()));
  // A third of what is left for the batch, up to its useful size; the rest for the streams.
  const std::size_t batch = std::clamp((memory - logits) / 3 / per_row, longest, std::max(longest, kBatchTokens));
  return Shape{batch, std::max(longest, (memory - logits - batch * per_row) / per_token)};
}

/// Carries one chunk of passages through all variants.
class Chunk {
 public:
  Chunk(const Model& model, model::RunState& state, Sink& sink)
      : model_(model),
        state_(state),
        sink_(sink),
        block_weights_(static_cast<double>(model::footprint(model.layers.front()).parameters)),
        head_weights_(static_cast<double>(model.config.vocab_size) * static_cast<double>(model.config.hidden_size)) {}

  /// Scores passages [first, first + count); writes their columns of `result`.
  [[nodiscard]] Result<void> run(std::span<const std::vector<TokenId>> passages, std::size_t first, std::size_t count,
                                 std::size_t batch_rows, RemovalNll& result) {
    passages_ = passages.subspan(first, count);
    std::vector<TokenId> ids;
    for (const auto& passage : passages_) ids.insert(ids.end(), passage.begin(), passage.end());
    tokens_ = ids.size();
    const std::size_t layers = model_.layers.size();
    // Slot 0 is the whole model, slot l + 1 the one without layer l: those alive before layer l are slots 0 ... l.
    const MatrixView<float> streams = streams_.matrix((layers + 1) * tokens_, model_.config.hidden_size);
    model::embed(model_, ids, state_.threads(), streams.rows(0, tokens_));
    for (std::size_t l = 0; l < layers; ++l) {
      LIEQ_TRY(check_cancelled(sink_));
      const MatrixView<float> skipping = streams.rows((l + 1) * tokens_, tokens_);
      std::copy_n(streams.data(), tokens_ * streams.cols(), skipping.data());
      run_layer(l, streams.rows(0, (l + 1) * tokens_), batch_rows);
    }
    model::final_norm(model_, state_.threads(), streams);
    score(streams.rows(0, tokens_), ids, std::span(result.whole).subspan(first, count));
    for (std::size_t l = 0; l < layers; ++l)
      score(streams.rows((l + 1) * tokens_, tokens_), ids, std::span(result.without[l]).subspan(first, count));
    return {};
  }

  /// What `tokens` tokens cost in all: block passes and heads.
  void expect(std::size_t tokens) {
    const auto layers = static_cast<double>(model_.layers.size());
    total_ += static_cast<double>(tokens) * (layers * (layers + 1) / 2 * block_weights_ + (layers + 1) * head_weights_);
  }

  /// Progress is in 10^9 multiplications: blocks and heads alike.
  void report(double multiplications) {
    done_ += multiplications;
    sink_.progress("perplexity drop", static_cast<std::size_t>(done_ / 1e9),
                   static_cast<std::size_t>(std::ceil(total_ / 1e9)));
  }

 private:
  /// Runs a layer over several streams of the chunk, in batches of whole passages.
  void run_layer(std::size_t l, MatrixView<float> streams, std::size_t batch_rows) {
    std::vector<SequenceSpan> batch;
    std::size_t first = 0, rows = 0;
    const auto flush = [&] {
      model::run_block(model_, l, batch, streams.rows(first, rows), state_);
      report(static_cast<double>(rows) * block_weights_);
      first += rows;
      rows = 0;
      batch.clear();
    };
    for (std::size_t slot = 0; slot <= l; ++slot) {
      for (const auto& passage : passages_) {
        if (rows > 0 && rows + passage.size() > batch_rows) flush();
        batch.push_back({passage.size(), nullptr});
        rows += passage.size();
      }
    }
    flush();
  }

  /// sums[p] = NLL of passage p. hidden: after the final norm.
  void score(MatrixView<const float> hidden, std::span<const TokenId> ids, std::span<double> sums) {
    const std::size_t slice = model::logit_slice_rows(model_.config);
    nll_.resize(tokens_);
    for (std::size_t first = 0; first < tokens_; first += slice) {
      const std::size_t count = std::min(slice, tokens_ - first);
      const MatrixView<float> logits = logits_.matrix(count, model_.config.vocab_size);
      model::logits(model_, hidden.rows(first, count), state_, logits);
      report(static_cast<double>(count) * head_weights_);
      state_.threads().for_each(count, [&](std::size_t t, std::size_t) {
        if (first + t + 1 >= tokens_) return;
        const std::span<const float> row = logits.row(t);
        nll_[first + t] =
            kernels::log_sum_exp(row) - static_cast<double>(row[static_cast<std::size_t>(ids[first + t + 1])]);
      });
    }
    std::size_t start = 0;
    for (std::size_t p = 0; p < passages_.size(); ++p) {
      const auto begin = nll_.begin() + static_cast<std::ptrdiff_t>(start);
      sums[p] = std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(passages_[p].size() - 1), 0.0);
      start += passages_[p].size();
    }
  }

  const Model& model_;
  model::RunState& state_;
  Sink& sink_;
  double block_weights_, head_weights_;
  double done_ = 0, total_ = 0;
  std::span<const std::vector<TokenId>> passages_;
  std::size_t tokens_ = 0;
  kernels::Buffer<float> streams_, logits_;
  std::vector<double> nll_;
};

Result<void> check_finite(const Model& model, const RemovalNll& nll) {
  const auto finite = [](const std::vector<double>& sums) {
    return std::ranges::all_of(sums, [](double s) { return std::isfinite(s); });
  };
  const auto bad = [&](const std::string& variant) {
    return fail(ErrorCode::kNumerical, fmt::format("{}: logits {}: found NaN or infinity, expected finite values",
                                                   model.path.string(), variant));
  };
  if (!finite(nll.whole)) return bad("of the whole model");
  for (std::size_t l = 0; l < nll.without.size(); ++l)
    if (!finite(nll.without[l])) return bad(fmt::format("without layer {}", l));
  return {};
}

}  // namespace

Result<RemovalNll> removal_nll(const Model& model, std::span<const std::vector<TokenId>> passages,
                               const DropOptions& options, Threads& threads, Sink& sink) {
  LIEQ_CHECK(!passages.empty());
  LIEQ_TRY(check_passages(model, passages));
  LIEQ_ASSIGN(const Shape shape, shape_of(model, passages, options.memory));
  const std::size_t layers = model.layers.size();
  RemovalNll result{std::vector<double>(passages.size()), {}};
  result.without.assign(layers, result.whole);
  model::RunState state(model, threads, options.compute);
  Chunk chunk(model, state, sink);
  for (const auto& passage : passages) chunk.expect(passage.size());
  chunk.report(0);
  for (std::size_t first = 0; first < passages.size();) {
    std::size_t count = 0, tokens = 0;
    while (first + count < passages.size() &&
           (count == 0 || tokens + passages[first + count].size() <= shape.chunk_tokens))
      tokens += passages[first + count++].size();
    LIEQ_TRY(chunk.run(passages, first, count, shape.batch_rows, result));
    first += count;
  }
  LIEQ_TRY(check_finite(model, result));
  return result;
}

}  // namespace lieq::diagnose
