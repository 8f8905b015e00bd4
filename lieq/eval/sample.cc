#include "lieq/eval/sample.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include "lieq/kernels/softmax.h"

namespace lieq::eval {
namespace {

using model::TokenId;

bool penalises(const SamplingOptions& options) {
  return options.repeat_penalty != 1 || options.presence_penalty != 0 || options.frequency_penalty != 0;
}

void penalise(std::span<float> logits, std::span<const TokenId> seen, const SamplingOptions& options) {
  std::unordered_map<TokenId, int> counts;
  for (const TokenId token : seen.last(std::min(seen.size(), options.repeat_last_n))) ++counts[token];
  const auto penalty = static_cast<float>(options.repeat_penalty);
  for (const auto& [token, count] : counts) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
    logit -= static_cast<float>(options.presence_penalty + options.frequency_penalty * count);
  }
}

bool before(std::span<const float> logits, TokenId a, TokenId b) {
  const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
  return x != y ? x > y : a < b;
}

/// Probabilities under `temperature`; `all` is sorted, so the first is the largest.
void softmax(std::span<const float> logits, double temperature, std::vector<Candidate>& all) {
  const auto logit = [&](const Candidate& one) {
    return static_cast<double>(logits[static_cast<std::size_t>(one.token)]);
  };
  double sum = 0;
  const double top = logit(all.front());
  for (Candidate& one : all) sum += one.probability = std::exp((logit(one) - top) / temperature);
  for (Candidate& one : all) one.probability /= sum;
}

/// Keeps the tokens whose surprise -log p is nearest to its mean, the entropy, until their probabilities sum to `most`.
/// Source: Meister et al. 2022, arXiv:2202.00666.
void keep_typical(double most, std::vector<Candidate>& all) {
  double entropy = 0;
  for (const Candidate& one : all) entropy -= one.probability > 0 ? one.probability * std::log(one.probability) : 0;
  const auto distance = [&](const Candidate& one) { return std::abs(-std::log(one.probability) - entropy); };
  std::ranges::stable_sort(all, {}, distance);
  double sum = 0;
  std::size_t kept = 0;
  while (kept < all.size() && sum < most) sum += all[kept++].probability;
  all.resize(std::max<std::size_t>(kept, 1));
  std::ranges::stable_sort(all, std::greater(), &Candidate::probability);
}

/// How many candidates top_p and min_p leave.
std::size_t nucleus(const std::vector<Candidate>& all, const SamplingOptions& options) {
  std::size_t kept = all.size();
  if (options.top_p < 1) {
    double sum = 0;
    for (kept = 0; kept < all.size() && sum < options.top_p; ++kept) sum += all[kept].probability;
  }
  while (kept > 1 && all[kept - 1].probability < options.min_p * all.front().probability) --kept;
  return kept;
}

/// Whether a value lies in a range; NaN does not.
Result<void> within(const char* name, double value, double least, double most, const char* expected) {
  if (value >= least && value <= most) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: found {}, expected {}", name, value, expected));
}

}  // namespace

Result<void> check(const SamplingOptions& options) {
  constexpr double kMost = 1e6, kLeast = std::numeric_limits<double>::min();
  LIEQ_TRY(within("temperature", options.temperature, 0, kMost, "at least 0"));
  LIEQ_TRY(within("top_p", options.top_p, kLeast, 1, "more than 0 and at most 1"));
  LIEQ_TRY(within("min_p", options.min_p, 0, 1, "0 to 1"));
  LIEQ_TRY(within("typical_p", options.typical_p, kLeast, 1, "more than 0 and at most 1"));
  LIEQ_TRY(within("presence_penalty", options.presence_penalty, -kMost, kMost, "a number"));
  LIEQ_TRY(within("frequency_penalty", options.frequency_penalty, -kMost, kMost, "a number"));
  return within("repeat_penalty", options.repeat_penalty, kLeast, kMost, "more than 0");
}

std::vector<TokenId> most_likely(std::span<const float> logits, std::size_t count) {
  const auto comes_first = [&](TokenId a, TokenId b) { return before(logits, a, b); };
  count = std::min(count, logits.size());
  std::vector<TokenId> ids(count);
  std::iota(ids.begin(), ids.end(), 0);
  if (count == 0) return ids;
  // A heap with the last of them on top: nearly all others are smaller than that and cost one comparison.
  std::ranges::make_heap(ids, comes_first);
  for (std::size_t i = count; i < logits.size(); ++i) {
    if (logits[i] <= logits[static_cast<std::size_t>(ids.front())]) continue;
    std::ranges::pop_heap(ids, comes_first);
    ids.back() = static_cast<TokenId>(i);
    std::ranges::push_heap(ids, comes_first);
  }
  std::ranges::sort_heap(ids, comes_first);
  return ids;
}

std::vector<Candidate> candidates(std::span<const float> logits, const SamplingOptions& options) {
  std::vector<Candidate> all;
  for (const TokenId id : most_likely(logits, options.top_k == 0 ? logits.size() : options.top_k))
    all.push_back({id, 0});
  softmax(logits, 1, all);
  if (options.typical_p < 1) {
    keep_typical(options.typical_p, all);
    softmax(logits, 1, all);
  }
  all.resize(nucleus(all, options));
  softmax(logits, options.temperature, all);
  return all;
}

TokenId Sampler::pick(std::span<float> logits, std::span<const TokenId> seen) {
  for (const auto& [token, bias] : options_.logit_bias) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = std::max(kNeverDrawn, logit + static_cast<float>(bias));
  }
  if (penalises(options_)) penalise(logits, seen, options_);
  if (options_.temperature <= 0) return static_cast<TokenId>(kernels::arg_max(logits));
  double left = random_.uniform();
  if (options_.top_k == 0 && options_.top_p >= 1 && options_.min_p <= 0 && options_.typical_p >= 1)  // nothing to sort
    return static_cast<TokenId>(pick_token(logits, options_.temperature, left));
  const std::vector<Candidate> all = candidates(logits, options_);
  for (const Candidate& one : all)
    if ((left -= one.probability) < 0) return one.token;
  return all.front().token;  // rounding left a sliver
}

std::size_t pick_token(std::span<float> logits, double temperature, double uniform) {
  if (temperature <= 0) return kernels::arg_max(logits);
  for (float& value : logits) value = static_cast<float>(static_cast<double>(value) / temperature);
  const double log_sum = kernels::log_sum_exp(logits);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    uniform -= std::exp(static_cast<double>(logits[i]) - log_sum);
    if (uniform < 0) return i;
  }
  return kernels::arg_max(logits);  // rounding left a sliver
}

}  // namespace lieq::eval
