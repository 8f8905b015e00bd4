#include "lieq/model/config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

namespace lieq::model {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = {
      {"LlamaForCausalLM", "llama", false, false, true},
      {"Qwen2ForCausalLM", "qwen2", true, false, false},
      {"Qwen3ForCausalLM", "qwen3", false, true, false},
  };
  return all;
}

std::vector<float> inverse_frequencies(const ModelConfig& config) {
  const RopeConfig& rope = config.rope;
  std::vector<float> frequencies(config.head_dim / 2);
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(config.head_dim);
    float frequency = 1.0F / static_cast<float>(std::pow(rope.theta, static_cast<double>(exponent)));
    if (rope.type == RopeType::kLinear) frequency /= static_cast<float>(rope.factor);
    if (rope.type == RopeType::kLlama3) {
      const double wavelength = 2 * std::numbers::pi / static_cast<double>(frequency);
      const double turns = rope.original_max_position_embeddings / wavelength;
      const double keep = std::clamp(
          (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor), 0.0, 1.0);
      frequency = static_cast<float>((1 - keep) * static_cast<double>(frequency) / rope.factor +
                                     keep * static_cast<double>(frequency));
    }
    if (!rope.divisors.empty()) frequency /= rope.divisors[j];
    frequencies[j] = frequency;
  }
  return frequencies;
}

}  // namespace lieq::model
