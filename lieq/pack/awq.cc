#include "lieq/pack/awq.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/base/check.h"

namespace lieq::pack {
namespace {

constexpr std::size_t kPerWord = 8;
constexpr unsigned kBits = 4;

/// Bits to the right of output k of a word.
constexpr unsigned kShift[kPerWord] = {0, 16, 4, 20, 8, 24, 12, 28};

std::uint32_t nibble(std::int32_t word, std::size_t k) { return (static_cast<std::uint32_t>(word) >> kShift[k]) & 15U; }

void put(std::int32_t& word, std::size_t k, std::uint32_t value) {
  word = static_cast<std::int32_t>(static_cast<std::uint32_t>(word) | value << kShift[k]);
}

}  // namespace

GroupedMatrix unpack_awq(Threads& threads, const AwqView& t) {
  const std::size_t words = t.out / kPerWord;
  LIEQ_CHECK(t.out % kPerWord == 0 && t.groups > 0 && t.in % t.groups == 0);
  LIEQ_CHECK(t.qweight.size() == t.in * words && t.qzeros.size() == t.groups * words);
  LIEQ_CHECK(t.scales.size() == t.groups * t.out);
  GroupedMatrix m{t.out, t.in, kBits, t.in / t.groups, Origin::kZero, {}, {}, {}, {}};
  m.codes.resize(t.out * t.in);
  m.scales.resize(t.out * t.groups);
  m.origins.resize(t.out * t.groups);
  threads.for_each(words, [&](std::size_t c, std::size_t) {
    for (std::size_t k = 0; k < kPerWord; ++k) {
      const std::size_t i = c * kPerWord + k;
      for (std::size_t j = 0; j < t.in; ++j)
        m.codes[i * t.in + j] = static_cast<std::uint8_t>(nibble(t.qweight[j * words + c], k));
      for (std::size_t g = 0; g < t.groups; ++g) {
        m.scales[i * t.groups + g] = t.scales[g * t.out + i];
        m.origins[i * t.groups + g] = static_cast<float>(nibble(t.qzeros[g * words + c], k));
      }
    }
  });
  return m;
}

Result<AwqTensors> pack_awq(const QuantizedMatrix& m, const std::string& place) {
  const auto refuse = [&](const std::string& found, const char* expected) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: found {}, expected {}", place, found, expected));
  };
  if (m.bits != kBits) return refuse(fmt::format("{} bits", m.bits), "4 bits, all that AWQ packs");
  if (m.rows % kPerWord != 0) return refuse(fmt::format("{} outputs", m.rows), "a multiple of 8");
  if (!m.g_idx.empty()) return refuse("groups in order of activation", "groups of consecutive columns");
  if (!m.minima.empty()) return refuse("minima", "zero points");
  const std::size_t words = m.rows / kPerWord;
  AwqTensors t;
  t.qweight.resize(m.cols * words);
  t.qzeros.resize(m.groups() * words);
  t.scales.resize(m.groups() * m.rows);
  for (std::size_t i = 0; i < m.rows; ++i) {
    for (std::size_t j = 0; j < m.cols; ++j)
      put(t.qweight[j * words + i / kPerWord], i % kPerWord, m.codes[i * m.cols + j]);
    for (std::size_t g = 0; g < m.groups(); ++g) {
      const unsigned twice = m.double_zeros[i * m.groups() + g];
      if (twice % 2 != 0 || twice > 30) return refuse(fmt::format("zero point {}", 0.5 * twice), "an integer below 16");
      put(t.qzeros[g * words + i / kPerWord], i % kPerWord, twice / 2);
      t.scales[g * m.rows + i] = m.scales[i * m.groups() + g];
    }
  }
  return t;
}

}  // namespace lieq::pack
