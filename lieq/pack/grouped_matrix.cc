#include "lieq/pack/grouped_matrix.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"

namespace lieq::pack {
namespace {

constexpr std::size_t kLeastGroup = 8;  // smaller ones would be mostly padding

bool is_half(float value) { return f16_to_float(float_to_f16(value)) == value; }

/// One group's scale and origin in 16 bits each.
struct Numbers {
  std::uint16_t scale = 0, origin = 0;
};

std::optional<Numbers> zero_in_halves(float scale, float zero, unsigned bits) {
  const float twice = 2 * zero;
  const float limit = bits < 4 ? 16 : bits == 4 ? 256 : 65536;  // what PackedMatrix keeps
  if (!is_half(scale) || !(twice >= 0 && twice < limit) || std::trunc(twice) != twice) return std::nullopt;
  return Numbers{float_to_f16(scale), static_cast<std::uint16_t>(twice)};
}

std::optional<Numbers> minimum_in_halves(float scale, float minimum) {
  if (!is_half(scale) || !is_half(minimum)) return std::nullopt;
  return Numbers{float_to_f16(scale), float_to_f16(minimum)};
}

/// With all codes at the origin the weights are 0, whatever the scale.
bool all_codes_are(const GroupedMatrix& m, std::size_t row, std::size_t group, float code) {
  for (std::size_t j = 0; j < m.cols; ++j) {
    const bool member = m.g_idx.empty() ? j / m.group_size == group : static_cast<std::size_t>(m.g_idx[j]) == group;
    if (member && static_cast<float>(m.codes[row * m.cols + j]) != code) return false;
  }
  return true;
}

std::optional<Numbers> numbers_of(const GroupedMatrix& m, unsigned bits, std::size_t row, std::size_t group) {
  const float scale = m.scales[row * m.groups() + group], origin = m.origins[row * m.groups() + group];
  const auto convert = [&](float s) {
    return m.origin == Origin::kZero ? zero_in_halves(s, origin, bits) : minimum_in_halves(s, origin);
  };
  if (auto found = convert(scale)) return found;
  const float inert = m.origin == Origin::kZero ? origin : 0;
  if (std::isfinite(scale) && all_codes_are(m, row, group, inert)) return convert(0);
  return std::nullopt;
}

}  // namespace

std::optional<EqualGroups> equal_groups(std::span<const std::int32_t> g_idx, std::size_t groups) {
  std::vector<std::size_t> members(groups);
  for (const std::int32_t g : g_idx) {
    LIEQ_CHECK(g >= 0 && static_cast<std::size_t>(g) < groups);
    ++members[static_cast<std::size_t>(g)];
  }
  std::size_t size = 0;
  for (const std::size_t count : members) size = std::gcd(size, count);
  const bool equal = std::ranges::all_of(members, [&](std::size_t count) { return count == size; });
  if (size == 0 || (!equal && size < kLeastGroup)) return std::nullopt;
  EqualGroups result{size, {}, {}};
  std::vector<std::size_t> next(groups);  // where the next column of each group goes
  for (std::size_t g = 0; g < groups; ++g) {
    next[g] = result.source.size() * size;
    result.source.insert(result.source.end(), members[g] / size, g);
  }
  bool in_order = true;
  for (std::size_t j = 0; j < g_idx.size(); ++j) {
    const std::size_t group = next[static_cast<std::size_t>(g_idx[j])]++ / size;
    in_order = in_order && group == j / size;
    result.g_idx.push_back(narrow<std::int32_t>(group));
  }
  if (in_order) result.g_idx.clear();
  return result;
}

void dequantize_row(const GroupedMatrix& m, std::size_t row, float* target) {
  LIEQ_CHECK(row < m.rows);
  for (std::size_t j = 0; j < m.cols; ++j) {
    const std::size_t g = m.g_idx.empty() ? j / m.group_size : static_cast<std::size_t>(m.g_idx[j]);
    const float scale = m.scales[row * m.groups() + g], origin = m.origins[row * m.groups() + g];
    const float code = m.codes[row * m.cols + j];
    target[j] = m.origin == Origin::kZero ? scale * (code - origin) : scale * code + origin;
  }
}

unsigned holding_bits(unsigned bits) { return bits <= 2 ? 2 : bits <= 4 ? bits : 8; }

std::optional<QuantizedMatrix> in_halves(Threads& threads, GroupedMatrix m) {
  QuantizedMatrix result{m.rows, m.cols, holding_bits(m.bits), m.group_size, {}, {}, {}, {}};
  result.scales.resize(m.rows * m.groups());
  std::vector<std::uint16_t>& origins = m.origin == Origin::kZero ? result.double_zeros : result.minima;
  origins.resize(result.scales.size());
  std::atomic<bool> exact = true;
  threads.for_each(m.rows, [&](std::size_t i, std::size_t) {
    for (std::size_t g = 0; g < m.groups(); ++g) {
      const auto numbers = numbers_of(m, result.bits, i, g);
      if (!numbers) {
        exact = false;
        return;
      }
      result.scales[i * m.groups() + g] = numbers->scale;
      origins[i * m.groups() + g] = numbers->origin;
    }
  });
  if (!exact) return std::nullopt;
  result.codes = std::move(m.codes);
  result.g_idx = std::move(m.g_idx);
  return result;
}

}  // namespace lieq::pack
