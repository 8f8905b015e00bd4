#include "lieq/kernels/packed_f32.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"
#include "lieq/kernels/buffer.h"

// Vectors here are kept in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/packed_f32.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kPanelInputs = 256;

/// A place in the inputs of a matrix: unit `unit` of group `group`.
struct FloatPlace {
  std::size_t group = 0, unit = 0;
};

#if HWY_TARGET == HWY_SCALAR

constexpr std::size_t kRowsOfBlock = pack::PackedMatrix::kBlockRows;

std::size_t FillPanel(const pack::PackedMatrix& w, std::size_t block, FloatPlace& place, float* panel) {
  const std::size_t first = place.group * w.group_size() + place.unit * pack::PackedMatrix::kUnitInputs;
  const std::size_t count = std::min(kPanelInputs, (place.group + 1) * w.group_size() - first);
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t r = 0; r < kRowsOfBlock; ++r) {
      const float zero = 0.5F * static_cast<float>(w.double_zero(block * kRowsOfBlock + r, place.group));
      float& weight = panel[k * kRowsOfBlock + r];
      weight = f16_to_float(w.scales(block, place.group)[r]) *
               (static_cast<float>(w.code(block * kRowsOfBlock + r, first + k)) - zero);
      if (w.has_minima()) weight += f16_to_float(w.minima(block, place.group)[r]);
    }
  }
  place.unit += kPanelInputs / pack::PackedMatrix::kUnitInputs;
  if (place.unit >= w.units_per_group()) place = {place.group + 1, 0};
  return count;
}

void AddPanel(const float* panel, std::size_t inputs, const float* x, std::size_t stride, std::size_t tokens,
              bool /*rows_alone*/, float* sums) {
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t k = 0; k < inputs; ++k)
      for (std::size_t r = 0; r < kRowsOfBlock; ++r)
        sums[t * kRowsOfBlock + r] += x[t * stride + k] * panel[k * kRowsOfBlock + r];
}

#else

#include "lieq/kernels/packed_vectors-inl.h"

/// What the rows of vector `v` of a block add to scale * code: their minimum, or -scale * zero, which float32 holds
/// exactly, as it holds scale * code; so the sum is rounded once, and is the decoded weight (or 0 instead of -0).
template <unsigned kBits>
HWY_INLINE VF OffsetsOf(const pack::PackedMatrix& w, std::size_t block, std::size_t group, std::size_t v, VF scale) {
  if (w.has_minima()) return ScalesOf(w.minima(block, group), v);
  return hn::Mul(hn::Mul(scale, hn::Set(DF(), -0.5F)), DoubleZerosOf<kBits>(w.zeros(block, group), v, 0));
}

/// Writes 32 inputs x 16 rows.
template <unsigned kBits>
HWY_INLINE void DecodeUnit(const std::uint8_t* HWY_RESTRICT unit, std::size_t v, VF scale, VF offset,
                           float* HWY_RESTRICT panel) {
  const DF df;
  ForSteps([&](auto step) HWY_ATTR LIEQ_INLINE_LAMBDA {
    constexpr int kStep = decltype(step)::value;
    const V32 four = hn::BitCast(D32(), CodesOf<kBits, kStep>(unit, v));  // codes of four inputs, one a byte
    const auto decode = [&](auto byte) HWY_ATTR LIEQ_INLINE_LAMBDA {
      constexpr int kByte = decltype(byte)::value;
      const V32 code = hn::And(kByte == 0 ? four : hn::ShiftRight<8 * kByte>(four), hn::Set(D32(), 255));
      hn::Store(hn::MulAdd(scale, hn::ConvertTo(df, code), offset), df,
                panel + (4 * kStep + kByte) * static_cast<int>(kBlock));
    };
    decode(std::integral_constant<int, 0>());
    decode(std::integral_constant<int, 1>());
    decode(std::integral_constant<int, 2>());
    decode(std::integral_constant<int, 3>());
  });
}

template <unsigned kBits>
HWY_NOINLINE std::size_t FillPanelBits(const pack::PackedMatrix& w, std::size_t block, FloatPlace& place,
                                       float* panel) {
  std::size_t filled = 0;
  while (place.group < w.groups() && filled + pack::PackedMatrix::kUnitInputs <= kPanelInputs) {
    const std::uint8_t* unit = w.codes(block, place.group) + place.unit * w.unit_bytes();
    for (std::size_t v = 0; v < kVectors; ++v) {
      const VF scale = ScalesOf(w.scales(block, place.group), v);
      DecodeUnit<kBits>(unit, v, scale, OffsetsOf<kBits>(w, block, place.group, v, scale),
                        panel + filled * kBlock + v * kRows);
    }
    // The padding of a group's last unit is written over.
    filled += HWY_MIN(pack::PackedMatrix::kUnitInputs, w.group_size() - place.unit * pack::PackedMatrix::kUnitInputs);
    if (++place.unit == w.units_per_group()) place = {place.group + 1, 0};
  }
  return filled;
}

std::size_t FillPanel(const pack::PackedMatrix& w, std::size_t block, FloatPlace& place, float* panel) {
  switch (w.bits()) {
    case 2: return FillPanelBits<2>(w, block, place, panel);
    case 3: return FillPanelBits<3>(w, block, place, panel);
    case 4: return FillPanelBits<4>(w, block, place, panel);
    default: return FillPanelBits<8>(w, block, place, panel);
  }
}

/// How many sums of each output hide the latency of an addition.
template <std::size_t kTokens>
constexpr std::size_t kChainsFor = kTokens * kVectors >= 8 ? 1 : kTokens * kVectors >= 4 ? 2 : 4;

/// sums += panel x inputs for kTokens tokens.
template <std::size_t kTokens, std::size_t kChains = kChainsFor<kTokens>>
HWY_NOINLINE void AddTokens(const float* HWY_RESTRICT panel, std::size_t inputs, const float* HWY_RESTRICT x,
                            std::size_t stride, float* HWY_RESTRICT sums) {
  const DF df;
  VF acc[kChains][kTokens][kVectors];
  for (std::size_t c = 0; c < kChains; ++c)
    for (std::size_t t = 0; t < kTokens; ++t)
      for (std::size_t v = 0; v < kVectors; ++v)
        acc[c][t][v] = c == 0 ? hn::Load(df, sums + t * kBlock + v * kRows) : hn::Zero(df);
  const auto add = [&](std::size_t k, VF (&chain)[kTokens][kVectors]) HWY_ATTR LIEQ_INLINE_LAMBDA {
    for (std::size_t t = 0; t < kTokens; ++t) {
      const VF value = hn::Set(df, x[t * stride + k]);
      for (std::size_t v = 0; v < kVectors; ++v)
        chain[t][v] = hn::MulAdd(hn::Load(df, panel + k * kBlock + v * kRows), value, chain[t][v]);
    }
  };
  std::size_t k = 0;
  for (; k + kChains <= inputs; k += kChains)
    for (std::size_t c = 0; c < kChains; ++c) add(k + c, acc[c]);
  for (; k < inputs; ++k) add(k, acc[0]);
  for (std::size_t t = 0; t < kTokens; ++t) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      VF sum = acc[0][t][v];
      for (std::size_t c = 1; c < kChains; ++c) sum = hn::Add(sum, acc[c][t][v]);
      hn::Store(sum, df, sums + t * kBlock + v * kRows);
    }
  }
}

void AddPanel(const float* panel, std::size_t inputs, const float* x, std::size_t stride, std::size_t tokens,
              bool rows_alone, float* sums) {
  constexpr std::size_t kTokens = kVectors == 1 ? 12 : kVectors == 2 ? 6 : 2;
  std::size_t t = 0;
  for (; t + kTokens <= tokens; t += kTokens)
    AddTokens<kTokens>(panel, inputs, x + t * stride, stride, sums + t * kBlock);
  if (rows_alone) {
    for (; t < tokens; ++t)
      AddTokens<1, kChainsFor<kTokens>>(panel, inputs, x + t * stride, stride, sums + t * kBlock);
    return;
  }
  if constexpr (kTokens > 3)
    for (; t + 3 <= tokens; t += 3) AddTokens<3>(panel, inputs, x + t * stride, stride, sums + t * kBlock);
  for (; t < tokens; ++t) AddTokens<1>(panel, inputs, x + t * stride, stride, sums + t * kBlock);
}

#endif

constexpr std::size_t kPanelFloats = (kPanelInputs + pack::PackedMatrix::kUnitInputs) * pack::PackedMatrix::kBlockRows;

void MultiplyF32(const FloatProduct& p, float* HWY_RESTRICT sums) {
  constexpr std::size_t kRowsInBlock = pack::PackedMatrix::kBlockRows;
  HWY_ALIGN float panel[kPanelFloats];
  for (std::size_t b = p.first_block; b < p.first_block + p.blocks; ++b) {
    std::memset(sums, 0, p.tokens * kRowsInBlock * sizeof(float));
    std::size_t input = 0;
    for (FloatPlace place; place.group < p.weight->groups();) {
      const std::size_t inputs = FillPanel(*p.weight, b, place, panel);
      AddPanel(panel, inputs, p.x.data() + p.first_token * p.x.stride() + input, p.x.stride(), p.tokens,
               p.rows_alone, sums);
      input += inputs;
    }
    const std::size_t first = b * kRowsInBlock, rows = std::min(kRowsInBlock, p.weight->rows() - first);
    for (std::size_t t = 0; t < p.tokens; ++t) {
      float* y = p.y.row(p.first_token + t).data() + first;
      for (std::size_t r = 0; r < rows; ++r)
        y[r] = sums[t * kRowsInBlock + r] + (p.bias.empty() ? 0.0F : p.bias[first + r]);
    }
  }
}

void DecodeBlock(const pack::PackedMatrix& w, std::size_t block, MatrixView<float> rows) {
  HWY_ALIGN float panel[kPanelFloats];
  const std::size_t count = std::min(pack::PackedMatrix::kBlockRows, w.rows() - block * pack::PackedMatrix::kBlockRows);
  const auto order = w.order();
  std::size_t input = 0;
  for (FloatPlace place; place.group < w.groups();) {
    const std::size_t inputs = FillPanel(w, block, place, panel);
    for (std::size_t r = 0; r < count; ++r) {
      float* row = rows.row(r).data();
      for (std::size_t k = 0; k < inputs; ++k) {
        const std::size_t j = order.empty() ? input + k : static_cast<std::size_t>(order[input + k]);
        row[j] = panel[k * pack::PackedMatrix::kBlockRows + r];
      }
    }
    input += inputs;
  }
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(MultiplyF32);
HWY_EXPORT(DecodeBlock);

void multiply_f32(const FloatProduct& product) {
  static thread_local Buffer<float> sums;
  HWY_DYNAMIC_DISPATCH(MultiplyF32)(product, sums.reserve(product.tokens * pack::PackedMatrix::kBlockRows));
}

void decode_block(const pack::PackedMatrix& weight, std::size_t block, MatrixView<float> rows) {
  LIEQ_CHECK(block < weight.blocks() && rows.cols() == weight.cols());
  HWY_DYNAMIC_DISPATCH(DecodeBlock)(weight, block, rows);
}

}  // namespace lieq::kernels
#endif
