#pragma once
/// Drawing a token from logits.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "lieq/base/random.h"
#include "lieq/base/result.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

/// The steps are taken in llama.cpp's order: bias, penalties, top-k, typical, top-p, min-p, temperature. typical_p,
/// top_p and min_p therefore judge the model's own probabilities, whatever the temperature.
struct SamplingOptions {
  double temperature = 0;       ///< 0: the most likely token; otherwise softmax(logits / temperature) is sampled
  std::size_t top_k = 0;        ///< keep the k most likely tokens; 0: all
  double top_p = 1;             ///< keep the fewest most likely tokens whose probabilities sum to at least this; 1: all
  double min_p = 0;             ///< keep tokens at least this times as likely as the most likely one; 0: all
  double typical_p = 1;         ///< keep the tokens whose surprise is nearest to the mean one, up to this sum; 1: all
  double repeat_penalty = 1;    ///< logits of tokens seen lately: positive ones divided by it, others multiplied
  double presence_penalty = 0;  ///< taken off the logits of tokens seen lately
  double frequency_penalty = 0;                                    ///< the same, times how often they were seen
  std::size_t repeat_last_n = 64;                                  ///< how many tokens back the three penalties look
  std::vector<std::pair<model::TokenId, double>> logit_bias = {};  ///< added to the logits of these; may be -infinity
  std::uint64_t seed = 42;                                         ///< same seed, same tokens
};

/// Errors: kInvalidArgument naming the option: temperature and min_p below 0 (min_p above 1), top_p or typical_p
/// outside (0, 1], repeat_penalty not positive; NaN anywhere. Ids of logit_bias are the caller's to check.
[[nodiscard]] Result<void> check(const SamplingOptions& options);

struct Candidate {
  model::TokenId token;
  double probability;
};

/// Ids of the `count` largest logits (all, if there are fewer), the largest first, of equal ones the smaller id.
[[nodiscard]] std::vector<model::TokenId> most_likely(std::span<const float> logits, std::size_t count);

/// What would be drawn from: the tokens that remain, most likely first (of equal ones the smaller id), with their
/// probabilities after the temperature. `options` are checked and their temperature is not 0. O(V + k log k) for k
/// candidates.
[[nodiscard]] std::vector<Candidate> candidates(std::span<const float> logits, const SamplingOptions& options);

/// The logit of a token that must not be drawn. Not -infinity, which kernels take for a fault of the model.
inline constexpr float kNeverDrawn = -1e30F;

/// Draws tokens one after the other: run state of one text.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}
  /// `seen`: the text so far, for the penalties, which change `logits` in place. Logits are finite.
  [[nodiscard]] model::TokenId pick(std::span<float> logits, std::span<const model::TokenId> seen);

 private:
  SamplingOptions options_;
  Random random_;
};

/// The arg-max when `temperature` is 0, else the token of softmax(logits / temperature), in the order of ids, whose
/// share of [0, 1) holds `uniform`. Scales `logits` in place.
[[nodiscard]] std::size_t pick_token(std::span<float> logits, double temperature, double uniform);

}  // namespace lieq::eval
