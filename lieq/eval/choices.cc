#include "lieq/eval/choices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "lieq/eval/journal.h"
#include "lieq/eval/prefix_tree.h"
#include "lieq/eval/prompt_encoder.h"
#include "lieq/kernels/buffer.h"
#include "lieq/kernels/softmax.h"
#include "lieq/model/fingerprint.h"

namespace lieq::eval {
namespace {

using model::TokenId;
using Text = std::span<const TokenId>;
constexpr std::size_t kBatchTokens = 2048;
constexpr std::size_t kRoundBatches = 4;  // of each rank, between two exchanges: what an interrupted run loses

/// The choices of one item.
using ItemTokens = std::vector<ChoiceTokens>;

Result<std::vector<ItemTokens>> encode_items(const PromptEncoder& encoder, std::span<const Item* const> items,
                                             Threads& threads) {
  std::vector<ItemTokens> tokens(items.size());
  std::vector<std::optional<Error>> errors(items.size());
  threads.for_each(items.size(), [&](std::size_t i, std::size_t) {
    for (std::size_t c = 0; c < items[i]->num_choices() && !errors[i]; ++c) {
      auto choice = encoder.encode_choice(items[i]->context(c), items[i]->continuation(c), items[i]->place);
      if (choice) {
        tokens[i].push_back(std::move(*choice));
      } else {
        errors[i] = choice.error();
      }
    }
  });
  for (auto& error : errors)
    if (error) return Unexpected(std::move(*error));
  return tokens;
}

/// Tokens of an item that a batch computes for it: those no other choice has, nor `before`, the item that ran last.
std::size_t new_tokens(const ItemTokens& item, Text before) {
  std::vector<Text> inputs;
  for (const ChoiceTokens& choice : item) inputs.emplace_back(choice.input);
  std::ranges::sort(inputs, std::ranges::lexicographical_compare);
  std::size_t count = 0;
  for (const Text input : inputs) {
    count += input.size() - common_prefix(input, before);
    before = input;
  }
  return count;
}

/// Consecutive items of the sorted order that run together. A beginning that the whole batch shares does not count.
std::vector<std::vector<std::size_t>> make_batches(const std::vector<ItemTokens>& items, std::size_t batch_size) {
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return std::ranges::lexicographical_compare(items[a][0].input, items[b][0].input);
  });
  std::vector<std::vector<std::size_t>> batches;
  std::size_t filled = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    // The first of a batch is measured against its successor, with which it shares what the batch shares.
    const std::size_t neighbour = i > 0 ? order[i - 1] : order[std::min<std::size_t>(1, order.size() - 1)];
    const std::size_t cost = order.size() > 1 ? new_tokens(items[order[i]], items[neighbour][0].input) : 0;
    const bool full =
        !batches.empty() && (batch_size > 0 ? batches.back().size() >= batch_size : filled + cost > kBatchTokens);
    if (batches.empty() || full) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().push_back(order[i]);
    filled += cost;
  }
  return batches;
}

/// One prediction: token `target` at a row of the batch, for choice `choice` of the batch.
struct TargetToken {
  std::size_t row, choice;
  TokenId target;
};

/// Runs batches of one model.
class Scorer {
 public:
  Scorer(const model::Model& model, Threads& threads, kernels::Compute compute)
      : model_(model), threads_(threads), state_(model, threads, compute) {}

  /// Scores of the choices, which may be of several items.
  Result<std::vector<ChoiceScore>> score(std::span<const ChoiceTokens* const> choices) {
    std::vector<Text> inputs;
    for (const ChoiceTokens* choice : choices) inputs.emplace_back(choice->input);
    const PrefixTree tree = build_prefix_tree(inputs);
    const std::size_t width = model_.config.hidden_size;
    const MatrixView<float> hidden = hidden_.matrix(tree.tokens.size(), width);
    model::forward(model_, tree.tokens, tree.spans, state_, hidden);

    std::vector<TargetToken> predictions;
    for (std::size_t c = 0; c < choices.size(); ++c) {
      const std::vector<TokenId>& targets = choices[c]->targets;
      const std::size_t first = inputs[c].size() - targets.size();
      for (std::size_t t = 0; t < targets.size(); ++t) predictions.push_back({tree.rows[c][first + t], c, targets[t]});
    }
    std::ranges::stable_sort(predictions, {}, &TargetToken::row);
    std::vector<ChoiceScore> scores(choices.size(), ChoiceScore{0, true});
    const std::size_t slice = model::logit_slice_rows(model_.config);
    for (std::size_t begin = 0; begin < predictions.size();)
      begin = score_slice(predictions, begin, slice, hidden, scores);
    for (const ChoiceScore& score : scores)
      if (!std::isfinite(score.loglik))
        return fail(ErrorCode::kNumerical,
                    fmt::format("{}: logits: found NaN or infinity, expected finite values", model_.path.string()));
    return scores;
  }

 private:
  /// Adds up the predictions of the next `most` rows from `begin` on; returns the first prediction that is left.
  std::size_t score_slice(const std::vector<TargetToken>& predictions, std::size_t begin, std::size_t most,
                          MatrixView<const float> hidden, std::vector<ChoiceScore>& scores) {
    std::vector<std::size_t> firsts;  // of each row, its first prediction
    std::size_t end = begin;
    for (; end < predictions.size(); ++end) {
      if (end > begin && predictions[end].row == predictions[end - 1].row) continue;
      if (firsts.size() == most) break;
      firsts.push_back(end);
    }
    const MatrixView<float> rows = rows_.matrix(firsts.size(), hidden.cols());
    for (std::size_t r = 0; r < firsts.size(); ++r)
      std::ranges::copy(hidden.row(predictions[firsts[r]].row), rows.row(r).begin());
    const MatrixView<float> logits = logits_.matrix(firsts.size(), model_.config.vocab_size);
    model::logits(model_, rows, state_, logits);
    firsts.push_back(end);
    std::vector<ChoiceScore> found(end - begin);
    threads_.for_each(firsts.size() - 1, [&](std::size_t r, std::size_t) {
      const std::span<const float> row = logits.row(r);
      const double log_sum = kernels::log_sum_exp(row);
      const std::size_t top = kernels::arg_max(row);
      for (std::size_t p = firsts[r]; p < firsts[r + 1]; ++p) {
        const auto target = static_cast<std::size_t>(predictions[p].target);
        found[p - begin] = {static_cast<double>(row[target]) - log_sum, target == top};
      }
    });
    for (std::size_t p = begin; p < end; ++p) {
      ChoiceScore& score = scores[predictions[p].choice];
      score.loglik += found[p - begin].loglik;
      score.greedy = score.greedy && found[p - begin].greedy;
    }
    return end;
  }

  const model::Model& model_;
  Threads& threads_;
  model::RunState state_;
  kernels::Buffer<float> hidden_, rows_, logits_;
};

/// Equal for runs whose batches and results are equal.
std::string fingerprint_of(const Bundle& bundle, const std::vector<ItemTokens>& items, const ChoiceOptions& options,
                           Threads& threads) {
  std::vector<TokenId> all;
  for (const ItemTokens& item : items) {
    for (const ChoiceTokens& choice : item) {
      for (const auto* part : {&choice.input, &choice.targets}) {
        all.push_back(-1);  // no id: parts do not run into each other
        all.insert(all.end(), part->begin(), part->end());
      }
    }
    all.push_back(-2);
  }
  return fmt::format("{}-{}-{}-{}", model::fingerprint(bundle.model, threads),
                     model::fingerprint(all.data(), all.size() * sizeof(TokenId)), static_cast<int>(options.compute),
                     options.batch_size);
}

Json to_json(const std::vector<ChoiceScore>& scores) {
  Json json = Json::array();
  for (const ChoiceScore& score : scores) json.push_back({score.loglik, score.greedy});
  return json;
}

/// nullopt unless these are `count` scores.
std::optional<std::vector<ChoiceScore>> scores_from_json(const Json* json, std::size_t count) {
  if (!json || !json->is_array() || json->size() != count) return std::nullopt;
  std::vector<ChoiceScore> scores;
  for (const Json& one : *json) {
    if (!one.is_array() || one.size() != 2 || !one[0].is_number() || !one[1].is_boolean()) return std::nullopt;
    scores.push_back({one[0].get<double>(), one[1].get<bool>()});
  }
  return scores;
}

/// Scores of the choices of each batch; empty: not known.
using BatchScores = std::vector<std::vector<ChoiceScore>>;

/// What any rank knows of some batches, no two of them the same batch, every rank gets to know.
void share(Ranks& ranks, const std::vector<std::vector<const ChoiceTokens*>>& choices, Share batches,
           BatchScores& scores) {
  if (ranks.size() == 1) return;
  std::vector<double> values;  // of each choice: whether it is known, its log-likelihood, whether it is greedy
  for (std::size_t b = batches.first; b < batches.last; ++b) {
    for (std::size_t c = 0; c < choices[b].size(); ++c) {
      const bool known = !scores[b].empty();
      const ChoiceScore score = known ? scores[b][c] : ChoiceScore{0, false};
      values.insert(values.end(), {known ? 1.0 : 0.0, score.loglik, score.greedy ? 1.0 : 0.0});
    }
  }
  ranks.add_up(std::span(values));
  auto value = values.begin();
  for (std::size_t b = batches.first; b < batches.last; ++b) {
    if (choices[b].empty()) continue;
    const bool known = *value != 0;
    scores[b].clear();
    for (std::size_t c = 0; c < choices[b].size(); ++c, value += 3)
      if (known) scores[b].push_back({value[1], value[2] != 0});
  }
}

/// A journal that cannot be written costs an interrupted run its work, nothing else.
Journal open_journal(const std::filesystem::path& file, const std::string& fingerprint, Sink& sink) {
  auto journal = Journal::open(file, fingerprint);
  if (journal) return std::move(*journal);
  sink.warn(journal.error().message + " (an interrupted run will start again)");
  return {};
}

}  // namespace

Result<std::vector<ItemScores>> score_items(const Bundle& bundle, std::span<const Item* const> items,
                                            const ChoiceOptions& options, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const PromptEncoder encoder, PromptEncoder::create(bundle, options.max_length));
  LIEQ_ASSIGN(const std::vector<ItemTokens> tokens, encode_items(encoder, items, threads));
  const auto batches = make_batches(tokens, options.batch_size);
  std::string fingerprint;
  std::filesystem::path journal_file;
  if (!options.journals.empty()) {
    fingerprint = fingerprint_of(bundle, tokens, options, threads);
    journal_file = options.journals / (fingerprint + ".journal");
  }
  Ranks& ranks = threads.ranks();
  Journal journal = ranks.is_first() ? open_journal(journal_file, fingerprint, sink) : Journal();
  std::vector<std::vector<const ChoiceTokens*>> choices(batches.size());
  for (std::size_t b = 0; b < batches.size(); ++b)
    for (const std::size_t i : batches[b])
      for (const ChoiceTokens& choice : tokens[i]) choices[b].push_back(&choice);
  BatchScores known(batches.size());
  for (std::size_t b = 0; b < batches.size(); ++b)
    if (auto noted = scores_from_json(journal.find(b), choices[b].size())) known[b] = std::move(*noted);
  share(ranks, choices, {0, batches.size()}, known);  // what the first one's journal holds

  Scorer scorer(bundle.model, threads, options.compute);
  std::size_t done = 0;
  sink.progress("questions", 0, items.size());
  const std::size_t round = ranks.size() == 1 ? 1 : kRoundBatches * ranks.size();
  for (std::size_t first = 0; first < batches.size(); first += round) {
    const Share now{first, std::min(batches.size(), first + round)};
    std::vector<std::size_t> open;
    for (std::size_t b = now.first; b < now.last; ++b)
      if (known[b].empty()) open.push_back(b);
    LIEQ_TRY(check_cancelled(sink));
    BatchScores fresh(batches.size());
    for (std::size_t o = ranks.rank(); o < open.size(); o += ranks.size()) {
      LIEQ_ASSIGN(fresh[open[o]], scorer.score(choices[open[o]]));
    }
    share(ranks, choices, now, fresh);
    for (const std::size_t b : open) {
      known[b] = std::move(fresh[b]);
      if (const auto noted = journal.append(b, to_json(known[b])); !noted) {
        sink.warn(noted.error().message);
        journal = Journal();
      }
    }
    for (std::size_t b = now.first; b < now.last; ++b) done += batches[b].size();
    sink.progress("questions", done, items.size());
  }
  journal.remove();
  std::vector<ItemScores> all(items.size());
  for (std::size_t b = 0; b < batches.size(); ++b) {
    auto next = known[b].begin();
    for (const std::size_t i : batches[b]) {
      const auto last = next + static_cast<std::ptrdiff_t>(tokens[i].size());
      all[i].assign(next, last);
      next = last;
    }
  }
  return all;
}

}  // namespace lieq::eval
