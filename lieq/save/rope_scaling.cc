#include "lieq/save/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

namespace lieq::save {
namespace {

using model::RopeConfig;
using model::RopeType;

/// Both sides round a few times in float32, which the blend magnifies at most eightfold: 2^-20 is 16 of its steps.
constexpr double kRelativeError = 0x1p-20;

std::vector<float> frequencies_with(const model::ModelConfig& config, const RopeConfig& rope) {
  return model::inverse_frequencies(rope, config.rotated());
}

bool gives(const model::ModelConfig& config, const RopeConfig& rope, const std::vector<float>& expected) {
  const std::vector<float> found = frequencies_with(config, rope);
  return std::ranges::equal(found, expected, [](float a, float b) {
    return std::fabs(static_cast<double>(a) - static_cast<double>(b)) <= kRelativeError * static_cast<double>(b);
  });
}

/// Scalings worth trying. A blended frequency keeps the share a·x - b of itself, x its turns per position, with
/// a = original / (high - low) and b = low / (high - low): two of them give both. With fewer, or none, the usual
/// bounds.
std::vector<RopeConfig> candidates(const model::ModelConfig& config, const std::vector<float>& plain) {
  RopeConfig rope = config.rope;
  rope.type = RopeType::kLlama3;
  rope.divisors.clear();
  rope.low_freq_factor = 1;
  rope.factor = static_cast<double>(std::ranges::max(config.rope.divisors));
  std::vector<RopeConfig> all;
  std::vector<std::pair<double, double>> blended;  // x, share kept
  for (std::size_t j = 0; j < plain.size(); ++j) {
    const double divisor = static_cast<double>(config.rope.divisors[j]), share = 1 / rope.factor;
    if (divisor > 1 && divisor < rope.factor)
      blended.emplace_back(static_cast<double>(plain[j]) / (2 * std::numbers::pi), (1 / divisor - share) / (1 - share));
  }
  if (blended.size() >= 2) {
    const auto [x1, k1] = blended.front();
    const auto [x2, k2] = blended.back();
    const double a = (k1 - k2) / (x1 - x2), b = a * x1 - k1;
    rope.high_freq_factor = std::round((1 + 1 / b) * 64) / 64;
    rope.original_max_position_embeddings = std::round(a / b);
    if (rope.high_freq_factor > 1 && rope.original_max_position_embeddings >= 1) all.push_back(rope);
  }
  rope.high_freq_factor = 4;
  for (double original = 32; original <= 1 << 20; original *= 2) {
    rope.original_max_position_embeddings = original;
    all.push_back(rope);
  }
  return all;
}

/// The object of each scaling but llama3's, which GGUF files keep as divisors.
Json scaling_object(const RopeConfig& rope) {
  if (rope.type == RopeType::kDefault) return nullptr;
  Json object = {{"rope_type", name(rope.type)}};
  if (rope.type == RopeType::kLongRope) {
    object.update({{"short_factor", rope.short_factor}, {"long_factor", rope.long_factor}});
  } else {
    object["factor"] = rope.factor;
  }
  if (rope.type == RopeType::kYarn) object.update({{"beta_fast", rope.beta_fast}, {"beta_slow", rope.beta_slow}});
  if (rope.type == RopeType::kYarn || rope.type == RopeType::kLongRope)
    object.update({{"attention_factor", rope.attention_factor},
                   {"original_max_position_embeddings", std::llround(rope.original_max_position_embeddings)}});
  return object;
}

}  // namespace

Result<Json> rope_scaling(const model::ModelConfig& config, const std::string& place) {
  const RopeConfig& rope = config.rope;
  if (rope.divisors.empty()) return scaling_object(rope);
  if (rope.type == RopeType::kDefault) {
    RopeConfig plain = rope;
    plain.divisors.clear();
    const std::vector<float> expected = model::inverse_frequencies(config.rope, config.rotated());
    if (gives(config, plain, expected)) return Json(nullptr);
    for (const RopeConfig& one : candidates(config, frequencies_with(config, plain)))
      if (gives(config, one, expected))
        return Json{{"rope_type", "llama3"}, {"factor", one.factor}, {"low_freq_factor", one.low_freq_factor},
                    {"high_freq_factor", one.high_freq_factor},
                    {"original_max_position_embeddings", std::llround(one.original_max_position_embeddings)}};
  }
  return fail(
      ErrorCode::kUnsupported,
      fmt::format("{}: tensor 'rope_freqs.weight': found divisors that no llama3 rope_scaling of config.json gives, "
                  "expected those of one",
                  place));
}

}  // namespace lieq::save
