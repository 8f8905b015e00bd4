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

/// How many rows fit in the budget.
struct Shape {
  std::size_t batch_rows;   ///< of one run_block, at least one passage
  std::size_t stream_rows;  ///< of all streams that advance together, at least those of one passage
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
  const std::size_t batch = std::clamp((memory - logits) / 3 / per_row, longest, std::max(longest, kDropBatchTokens));
  const std::size_t tokens = std::max(longest, (memory - logits - batch * per_row) / per_token);
  return Shape{std::min(batch, tokens), tokens * (config.num_hidden_layers + 1)};
}

/// Passages that run as one batch, for every variant. What they are depends on no number of ranks, so neither do sums.
struct Group {
  Share passages;
  std::size_t tokens = 0;
};

std::vector<Group> groups_of(std::span<const std::vector<TokenId>> passages, std::size_t batch_rows) {
  std::vector<Group> groups;
  for (std::size_t p = 0; p < passages.size(); ++p) {
    if (groups.empty() || groups.back().tokens + passages[p].size() > batch_rows) groups.push_back({{p, p}, 0});
    groups.back().passages.last = p + 1;
    groups.back().tokens += passages[p].size();
  }
  return groups;
}

/// Variants of a group that one rank runs. Slot 0 is the whole model, slot l + 1 the one without layer l.
struct Piece {
  Group group;
  Share slots;

  /// The prefix, which is slot 0, and all others.
  [[nodiscard]] std::size_t streams() const { return 1 + slots.last - std::max<std::size_t>(slots.first, 1); }
  [[nodiscard]] std::size_t rows() const { return streams() * group.tokens; }
  /// Whether what the whole model gives behind layer l is needed.
  [[nodiscard]] bool needs_prefix(std::size_t l) const { return slots.first == 0 || l + 2 < slots.last; }
};

/// In multiplications a token.
class Cost {
 public:
  explicit Cost(const Model& model)
      : layers_(model.layers.size()),
        block_(static_cast<double>(model::footprint(model.layers.front()).parameters)),
        head_(static_cast<double>(model.config.vocab_size) * static_cast<double>(model.config.hidden_size)) {}

  [[nodiscard]] double block() const { return block_; }
  [[nodiscard]] double head() const { return head_; }
  [[nodiscard]] double slot(std::size_t s) const { return static_cast<double>(layers_ - s) * block_ + head_; }
  [[nodiscard]] double piece(const Piece& piece) const {
    double cost = 0;
    for (std::size_t s = piece.slots.first; s < piece.slots.last; ++s) cost += slot(s);
    if (piece.slots.first > 0) cost += static_cast<double>(piece.slots.last - 2) * block_;  // the prefix once more
    return cost * static_cast<double>(piece.group.tokens);
  }

 private:
  std::size_t layers_;
  double block_, head_;
};

/// Cuts the list of all groups' slots into one run for each rank, of about the same cost.
std::vector<Piece> own_pieces(const std::vector<Group>& groups, std::size_t slots, const Cost& cost,
                              const Ranks& ranks) {
  double all = 0, before = 0;
  for (const Group& group : groups)
    for (std::size_t s = 0; s < slots; ++s) all += cost.slot(s) * static_cast<double>(group.tokens);
  std::vector<Piece> pieces;
  for (const Group& group : groups) {
    Piece piece{group, {slots, slots}};
    for (std::size_t s = 0; s < slots; ++s) {
      const double own = cost.slot(s) * static_cast<double>(group.tokens);
      const auto rank = static_cast<std::size_t>((before + own / 2) / all * static_cast<double>(ranks.size()));
      before += own;
      if (std::min(rank, ranks.size() - 1) != ranks.rank()) continue;
      piece.slots = {std::min(piece.slots.first, s), s + 1};
    }
    if (piece.slots.count() > 0) pieces.push_back(piece);
  }
  return pieces;
}

/// Carries the variants of some groups through the model together, so that the weights of a layer are read once.
class Chunk {
 public:
  Chunk(const Model& model, std::span<const std::vector<TokenId>> passages, model::RunState& state, Sink& sink)
      : model_(model), all_passages_(passages), state_(state), sink_(sink), cost_(model) {}

  /// Scores the variants of `pieces`; writes their places of `result`.
  [[nodiscard]] Result<void> run(std::span<const Piece> pieces, RemovalNll& result) {
    std::size_t rows = 0;
    for (const Piece& piece : pieces) rows += piece.rows();
    const MatrixView<float> all = streams_.matrix(rows, model_.config.hidden_size);
    std::size_t first = 0;
    for (const Piece& piece : pieces) {
      model::embed(model_, ids_of(piece.group), state_.threads(), all.rows(first, piece.group.tokens));
      first += piece.rows();
    }
    for (std::size_t l = 0; l < model_.layers.size(); ++l) {
      LIEQ_TRY(check_cancelled(sink_));
      first = 0;
      for (const Piece& piece : pieces) {
        run_layer(l, piece, all.rows(first, piece.rows()));
        first += piece.rows();
      }
    }
    model::final_norm(model_, state_.threads(), all);
    first = 0;
    for (const Piece& piece : pieces) {
      for (std::size_t s = piece.slots.first; s < piece.slots.last; ++s)
        score(stream(piece, s, all.rows(first, piece.rows())), piece.group,
              s == 0 ? result.whole : result.without[s - 1]);
      first += piece.rows();
    }
    return {};
  }

  /// What is to be done in all.
  void expect(const Piece& piece) { total_ += cost_.piece(piece); }

  /// Progress is in 10^9 multiplications: blocks and heads alike.
  void report(double multiplications) {
    done_ += multiplications;
    sink_.progress("perplexity drop", static_cast<std::size_t>(done_ / 1e9),
                   static_cast<std::size_t>(std::ceil(total_ / 1e9)));
  }

 private:
  static MatrixView<float> stream(const Piece& piece, std::size_t slot, MatrixView<float> streams) {
    const std::size_t place = slot == 0 ? 0 : 1 + slot - std::max<std::size_t>(piece.slots.first, 1);
    return streams.rows(place * piece.group.tokens, piece.group.tokens);
  }

  [[nodiscard]] std::span<const std::vector<TokenId>> passages_of(const Group& group) const {
    return all_passages_.subspan(group.passages.first, group.passages.count());
  }

  [[nodiscard]] std::vector<TokenId> ids_of(const Group& group) const {
    std::vector<TokenId> ids;
    for (const auto& passage : passages_of(group)) ids.insert(ids.end(), passage.begin(), passage.end());
    return ids;
  }

  /// The variant without layer l splits off before it; those that did before run it, and the whole model as long as
  /// others are to split off.
  void run_layer(std::size_t l, const Piece& piece, MatrixView<float> streams) {
    const MatrixView<float> prefix = stream(piece, 0, streams);
    if (piece.slots.has(l + 1))
      std::copy_n(prefix.data(), prefix.rows() * prefix.cols(), stream(piece, l + 1, streams).data());
    std::vector<SequenceSpan> batch;
    for (const auto& passage : passages_of(piece.group)) batch.push_back({passage.size(), nullptr});
    const auto run = [&](MatrixView<float> x) {
      model::run_block(model_, l, batch, x, state_);
      report(static_cast<double>(x.rows()) * cost_.block());
    };
    if (piece.needs_prefix(l)) run(prefix);
    for (std::size_t s = std::max<std::size_t>(piece.slots.first, 1); s < std::min(piece.slots.last, l + 1); ++s)
      run(stream(piece, s, streams));
  }

  /// sums[p] = NLL of passage p, of the group's. hidden: after the final norm.
  void score(MatrixView<const float> hidden, const Group& group, std::span<double> sums) {
    const std::vector<TokenId> ids = ids_of(group);
    const std::size_t slice = model::logit_slice_rows(model_.config);
    nll_.resize(ids.size());
    for (std::size_t first = 0; first < ids.size(); first += slice) {
      const std::size_t count = std::min(slice, ids.size() - first);
      const MatrixView<float> logits = logits_.matrix(count, model_.config.vocab_size);
      model::logits(model_, hidden.rows(first, count), state_, logits);
      report(static_cast<double>(count) * cost_.head());
      state_.threads().for_each(count, [&](std::size_t t, std::size_t) {
        if (first + t + 1 >= ids.size()) return;
        const std::span<const float> row = logits.row(t);
        nll_[first + t] =
            kernels::log_sum_exp(row) - static_cast<double>(row[static_cast<std::size_t>(ids[first + t + 1])]);
      });
    }
    std::size_t start = 0;
    for (std::size_t p = group.passages.first; p < group.passages.last; ++p) {
      const auto begin = nll_.begin() + static_cast<std::ptrdiff_t>(start);
      sums[p] = std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(all_passages_[p].size() - 1), 0.0);
      start += all_passages_[p].size();
    }
  }

  const Model& model_;
  std::span<const std::vector<TokenId>> all_passages_;
  model::RunState& state_;
  Sink& sink_;
  Cost cost_;
  double done_ = 0, total_ = 0;
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
  Chunk chunk(model, passages, state, sink);
  const std::vector<Piece> pieces =
      own_pieces(groups_of(passages, shape.batch_rows), layers + 1, Cost(model), threads.ranks());
  for (const Piece& piece : pieces) chunk.expect(piece);
  chunk.report(0);
  for (std::size_t first = 0; first < pieces.size();) {
    std::size_t count = 0, rows = 0;
    while (first + count < pieces.size() && (count == 0 || rows + pieces[first + count].rows() <= shape.stream_rows))
      rows += pieces[first + count++].rows();
    LIEQ_TRY(chunk.run(std::span(pieces).subspan(first, count), result));
    first += count;
  }
  // Every place was written by one rank and is 0 on the others.
  threads.ranks().add_up(std::span(result.whole));
  for (std::vector<double>& sums : result.without) threads.ranks().add_up(std::span(sums));
  LIEQ_TRY(check_finite(model, result));
  return result;
}

}  // namespace lieq::diagnose
