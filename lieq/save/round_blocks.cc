/// Rounding of dense rows to block types: what embeddings and heads are written in.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "lieq/base/check.h"
#include "lieq/save/gguf_blocks.h"

namespace lieq::save {
namespace {

std::uint16_t half_of(float scale) { return float_to_f16(std::clamp(scale, -65504.0F, 65504.0F)); }

void put_half(std::byte* target, std::uint16_t half) { std::memcpy(target, &half, sizeof half); }

float largest(std::span<const float> weights) {
  float most = 0;
  for (const float w : weights) most = std::max(most, std::fabs(w));
  return most;
}

float inverse(float scale) { return scale == 0 ? 0 : 1 / scale; }

int level(float weight, float inverse_scale, int least, int most) {
  return static_cast<int>(std::lrint(std::clamp(weight * inverse_scale, static_cast<float>(least),
                                                static_cast<float>(most))));
}

/// The scale of signed codes [-levels, levels - 1] with the least squared error, of a few that put the largest weight
/// near the last level of the longer side.
float best_scale(std::span<const float> weights, int levels) {
  const float most = largest(weights);
  if (most == 0) return 0;
  float best = 0, best_gain = 0;
  for (const float reach : {-0.5F, 0.0F, 0.5F, 1.0F, -1.5F}) {
    for (const float sign : {1.0F, -1.0F}) {
      const float scale = sign * most / (static_cast<float>(levels) - reach), inv = 1 / scale;
      float wq = 0, qq = 0;
      for (const float w : weights) {
        const auto q = static_cast<float>(level(w, inv, -levels, levels - 1));
        wq += w * q;
        qq += q * q;
      }
      // With the best scale for these codes, wq / qq, the squared error is sum w^2 - wq^2 / qq.
      if (qq == 0 || wq * wq <= best_gain * qq) continue;
      best_gain = wq * wq / qq;
      best = wq / qq;
    }
  }
  return best;
}

void round_q8_0(std::span<const float> weights, std::byte* target) {
  const std::uint16_t scale = half_of(largest(weights) / 127);
  put_half(target, scale);
  const float inv = inverse(f16_to_float(scale));
  for (std::size_t j = 0; j < weights.size(); ++j)
    target[2 + j] = static_cast<std::byte>(level(weights[j], inv, -127, 127));
}

void round_q4_0(std::span<const float> weights, std::byte* target) {
  const std::uint16_t scale = half_of(best_scale(weights, 8));
  put_half(target, scale);
  const float inv = inverse(f16_to_float(scale));
  for (std::size_t j = 0; j < 16; ++j) {
    const int low = level(weights[j], inv, -8, 7) + 8, high = level(weights[j + 16], inv, -8, 7) + 8;
    target[2 + j] = static_cast<std::byte>(low | high << 4);
  }
}

/// Scale and minimum of codes 0 to `most`.
struct Line {
  float scale = 0, minimum = 0;
};

Line rounded_to_halves(Line line) {
  return {f16_to_float(half_of(line.scale)), f16_to_float(half_of(line.minimum))};
}

int level_on(const Line& line, float weight, int most) {
  return level(weight - line.minimum, inverse(line.scale), 0, most);
}

/// The least squares line through the codes that `line` gives; `line` itself where all codes are one.
Line refitted(std::span<const float> weights, const Line& line, int most) {
  double q1 = 0, q2 = 0, w1 = 0, wq = 0;
  for (const float w : weights) {
    const double q = level_on(line, w, most);
    q1 += q;
    q2 += q * q;
    w1 += w;
    wq += q * w;
  }
  const auto n = static_cast<double>(weights.size());
  const double spread = n * q2 - q1 * q1;
  if (spread == 0) return line;
  const double scale = (n * wq - q1 * w1) / spread;
  return {static_cast<float>(scale), static_cast<float>((w1 - scale * q1) / n)};
}

double squared_error(std::span<const float> weights, const Line& line, int most) {
  double sum = 0;
  for (const float w : weights) {
    const double off = line.scale * static_cast<float>(level_on(line, w, most)) + line.minimum - w;
    sum += off * off;
  }
  return sum;
}

/// From the extremes, then refitted while that helps.
Line best_line(std::span<const float> weights, int most) {
  constexpr int kRounds = 3;
  const auto [low, high] = std::ranges::minmax(weights);
  Line best = rounded_to_halves({(high - low) / static_cast<float>(most), low}), line = best;
  double least = squared_error(weights, best, most);
  for (int round = 0; round < kRounds; ++round) {
    line = rounded_to_halves(refitted(weights, line, most));
    const double error = squared_error(weights, line, most);
    if (error >= least) break;
    least = error;
    best = line;
  }
  return best;
}

/// d, m, qh[4], qs[16]: element j has its low nibble in byte j % 16 of qs, low half for j < 16, and bit j of qh.
void round_q5_1(std::span<const float> weights, std::byte* target) {
  constexpr int kMost = 31;
  const Line line = best_line(weights, kMost);
  put_half(target, half_of(line.scale));
  put_half(target + 2, half_of(line.minimum));
  std::uint32_t high = 0;
  std::memset(target + 8, 0, 16);
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const auto code = static_cast<std::uint32_t>(level_on(line, weights[j], kMost));
    target[8 + j % 16] |= static_cast<std::byte>((code & 15) << (j < 16 ? 0 : 4));
    high |= (code >> 4) << j;
  }
  std::memcpy(target + 4, &high, sizeof high);
}

/// ql[128], qh[64], scales[16], d: element 128 n + 32 k + l has its low nibble in byte 64 n + 32 (k % 2) + l of ql, low
/// half for k < 2, and its high two bits at 2 k of byte 32 n + l of qh.
void round_q6_k(std::span<const float> weights, std::byte* target) {
  constexpr std::size_t kGroup = 16, kGroups = 16;
  std::array<float, kGroups> scales{};
  for (std::size_t g = 0; g < kGroups; ++g) scales[g] = best_scale(weights.subspan(g * kGroup, kGroup), 32);
  const float most = largest(scales);
  const std::uint16_t d = half_of(most / 127);
  const float inv_d = inverse(f16_to_float(d));
  std::byte *ql = target, *qh = target + 128, *group_scales = target + 192;
  std::memset(target, 0, 192);
  for (std::size_t g = 0; g < kGroups; ++g) {
    const int rounded = level(scales[g], inv_d, -128, 127);
    group_scales[g] = static_cast<std::byte>(rounded);
    const float inv = inverse(f16_to_float(d) * static_cast<float>(rounded));
    for (std::size_t i = 0; i < kGroup; ++i) {
      const std::size_t element = g * kGroup + i, n = element / 128, k = element % 128 / 32, l = element % 32;
      const int code = level(weights[element], inv, -32, 31) + 32;
      ql[64 * n + 32 * (k % 2) + l] |= static_cast<std::byte>((code & 15) << (k < 2 ? 0 : 4));
      qh[32 * n + l] |= static_cast<std::byte>((code >> 4) << (2 * k));
    }
  }
  put_half(target + 208, d);
}

void round_dense(DType type, std::span<const float> weights, std::byte* target) {
  for (const float w : weights) {
    if (type == DType::kF32) {
      std::memcpy(target, &w, sizeof w);
    } else {
      put_half(target, type == DType::kF16 ? float_to_f16(w) : float_to_bf16(w));
    }
    target += block_bytes(type);
  }
}

}  // namespace

void round_to_blocks(DType type, std::span<const float> weights, std::byte* target) {
  const std::size_t elements = block_elements(type);
  LIEQ_CHECK(weights.size() % elements == 0);
  if (elements == 1) {
    LIEQ_CHECK(type == DType::kF32 || type == DType::kF16 || type == DType::kBF16);
    return round_dense(type, weights, target);
  }
  for (std::size_t j = 0; j < weights.size(); j += elements, target += block_bytes(type)) {
    const std::span<const float> block = weights.subspan(j, elements);
    switch (type) {
      case DType::kQ8_0: round_q8_0(block, target); break;
      case DType::kQ4_0: round_q4_0(block, target); break;
      case DType::kQ5_1: round_q5_1(block, target); break;
      case DType::kQ6_K: round_q6_k(block, target); break;
      default: LIEQ_CHECK(false);
    }
  }
}

}  // namespace lieq::save
