#pragma once
/// Rotary position embeddings of all scaling types: what a file says of them, and the frequencies that follow.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/io/gguf.h"

namespace lieq::model {

/// Names of rope_type in config.json, in the order of the enumerators.
enum class RopeType { kDefault, kLinear, kDynamic, kYarn, kLongRope, kLlama3 };

struct RopeConfig {
  RopeType type = RopeType::kDefault;
  double theta = 10000;
  double factor = 1;                                ///< by which positions are compressed; all but default, longrope
  double original_max_position_embeddings = 8192;   ///< the context before scaling; all but default and linear
  double low_freq_factor = 1, high_freq_factor = 4;  ///< llama3 only
  double beta_fast = 32, beta_slow = 1;              ///< yarn only: turns within the original context
  bool truncate = true;                              ///< yarn only: the ends of the ramp are whole numbers
  double attention_factor = 1;                       ///< cos and sin are multiplied by it
  /// The query at position p is multiplied by 1 + query_growth ln(1 + floor(p / growth_period)); 0: it is not.
  double query_growth = 0, growth_period = 1;
  /// longrope only, [rotated / 2]: divisors of the frequencies within and beyond the original context.
  std::vector<float> short_factor, long_factor;
  /// GGUF's rope_freqs.weight, [rotated / 2]: divisors of the frequencies. Empty: none.
  std::vector<float> divisors;

  /// Sequences whose lengths have the same key are rotated alike: 0, but for dynamic and longrope.
  [[nodiscard]] std::size_t length_key(std::size_t length) const;
};

/// "default", "linear", ...
[[nodiscard]] std::string_view name(RopeType type);

/// What scaling needs to know of the rest of a model.
struct RopeShape {
  std::size_t rotated = 0;                  ///< numbers of a head that are rotated
  std::size_t max_position_embeddings = 0;  ///< the context the file promises
  bool query_growth = false;                ///< the family reads RopeConfig::query_growth
};

/// `rope_scaling` where it is there and not empty, else `rope_parameters`, else the plain rotation; `rope_theta` in the
/// object before the one beside it: the order of transformers 5. `place` opens error messages.
/// Errors: kInvalidFormat (a field missing, of a wrong type or size), kUnsupported (another rope_type).
[[nodiscard]] Result<RopeConfig> rope_from_json(const Json& config, const RopeShape& shape, const std::string& place);

/// The keys "{architecture}.rope.*", old names included, and the tensors rope_freqs and rope_factors_{short,long}.
/// Errors: as rope_from_json.
[[nodiscard]] Result<RopeConfig> rope_from_gguf(const io::Gguf& gguf, const std::string& architecture,
                                                const RopeShape& shape);

/// Radians per position of each rotary pair, [rotated / 2], in a sequence of `length` tokens.
/// float32 arithmetic in the order of transformers, so that angles at long positions agree.
/// Source: Chen et al. 2023, arXiv:2306.15595 (linear); Peng et al. 2023, arXiv:2309.00071 (yarn, and the NTK scaling
/// that dynamic is); Ding et al. 2024, arXiv:2402.13753 (longrope); llama3 as Llama 3.1 was published.
[[nodiscard]] std::vector<float> inverse_frequencies(const RopeConfig& rope, std::size_t rotated,
                                                     std::size_t length = 0);

}  // namespace lieq::model
