#include "lieq/kernels/packed_f32.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "lieq/base/check.h"
#include "lieq/base/dtype.h"
#include "lieq/kernels/buffer.h"
#include "lieq/pack/iq_grids.h"

// Vectors here are kept in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/packed_f32.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kPanelInputs = 128;
/// Of one block; a group's padding is decoded, too.
constexpr std::size_t kPanelFloats = (kPanelInputs + pack::PackedMatrix::kUnitInputs) * pack::PackedMatrix::kBlockRows;
/// Blocks whose panels fit the first-level cache together.
constexpr std::size_t kItemBlocks = kFloatItemBlocks, kItemRows = kItemBlocks * pack::PackedMatrix::kBlockRows;

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
      const std::size_t row = block * kRowsOfBlock + r;
      const float zero = 0.5F * static_cast<float>(w.double_zero(row, place.group));
      float& weight = panel[k * kRowsOfBlock + r];
      weight = w.scale(row, place.group) * (static_cast<float>(w.code(row, first + k)) - zero);
      if (w.has_minima()) weight += w.minimum(row, place.group);
    }
  }
  place.unit += kPanelInputs / pack::PackedMatrix::kUnitInputs;
  if (place.unit >= w.units_per_group()) place = {place.group + 1, 0};
  return count;
}

void AddPanels(const float* panels, std::size_t blocks, std::size_t inputs, const float* x, std::size_t stride,
               std::size_t tokens, float* sums) {
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t b = 0; b < blocks; ++b)
      for (std::size_t k = 0; k < inputs; ++k)
        for (std::size_t r = 0; r < kRowsOfBlock; ++r)
          sums[t * kItemRows + b * kRowsOfBlock + r] +=
              x[t * stride + k] * panels[b * kPanelFloats + k * kRowsOfBlock + r];
}

#else

#include "lieq/kernels/packed_vectors-inl.h"

/// Writes 32 inputs x 16 rows of vector `v`; scale and offset of each half. An offset is what scale * code lacks: the
/// minimum, or -scale * zero. Float32 holds all of these exactly, so the sum is rounded once, and is the decoded weight
/// (or 0 instead of -0).
template <unsigned kCodes>
HWY_INLINE void DecodeUnit(const std::uint8_t* HWY_RESTRICT unit, std::size_t v, const VF (&scale)[2],
                           const VF (&offset)[2], float* HWY_RESTRICT panel) {
  const DF df;
  ForSteps([&](auto step) LIEQ_LAMBDA {
    constexpr int kStep = decltype(step)::value;
    constexpr std::size_t kHalf = kStep / (kUnitSteps / 2);
    const V32 four = hn::BitCast(D32(), CodesOf<kCodes, kStep>(unit, v));  // codes of four inputs, one a byte
    const auto decode = [&](auto byte) LIEQ_LAMBDA {
      constexpr int kByte = decltype(byte)::value;
      const V32 code = hn::And(kByte == 0 ? four : hn::ShiftRight<8 * kByte>(four), hn::Set(D32(), 255));
      hn::Store(hn::MulAdd(scale[kHalf], hn::ConvertTo(df, code), offset[kHalf]), df,
                panel + (4 * kStep + kByte) * static_cast<int>(kBlock));
    };
    decode(std::integral_constant<int, 0>());
    decode(std::integral_constant<int, 1>());
    decode(std::integral_constant<int, 2>());
    decode(std::integral_constant<int, 3>());
  });
}

template <unsigned kCodes>
HWY_NOINLINE std::size_t FillPanelCodes(const pack::PackedMatrix& w, std::size_t block, FloatPlace& place,
                                        float* panel) {
  const DF df;
  const std::size_t groups = w.is_paired() ? 2 : 1;  // of a unit
  HWY_ALIGN float scales[2 * kBlock], origins[2 * kBlock];
  std::size_t filled = 0;
  while (place.group < w.groups() && filled + pack::PackedMatrix::kUnitInputs <= kPanelInputs) {
    const std::uint8_t* unit = w.codes(block, place.group) + place.unit * w.unit_bytes();
    ReadGroups(w, block, place.group, groups, 0, kBlock, scales, origins);
    for (std::size_t v = 0; v < kVectors; ++v) {
      VF scale[2], offset[2];
      for (std::size_t half = 0; half < 2; ++half) {
        const std::size_t at = (groups == 2 ? half : 0) * kBlock + v * kRows;
        scale[half] = hn::Load(df, scales + at);
        const VF origin = hn::Load(df, origins + at);
        offset[half] = w.has_minima() ? hn::Mul(origin, hn::Set(df, 0.5F))
                                      : hn::Mul(hn::Mul(scale[half], hn::Set(df, -0.5F)), origin);
      }
      DecodeUnit<kCodes>(unit, v, scale, offset, panel + filled * kBlock + v * kRows);
    }
    // The padding of a group's last unit is written over.
    filled += HWY_MIN(pack::PackedMatrix::kUnitInputs,
                      groups * w.group_size() - place.unit * pack::PackedMatrix::kUnitInputs);
    if (++place.unit == w.units_per_group()) place = {place.group + groups, 0};
  }
  return filled;
}

std::size_t FillPanel(const pack::PackedMatrix& w, std::size_t block, FloatPlace& place, float* panel) {
  switch (w.form().kind()) {
    case 2: return FillPanelCodes<2>(w, block, place, panel);
    case 3: return FillPanelCodes<3>(w, block, place, panel);
    case 4: return FillPanelCodes<4>(w, block, place, panel);
    case 5: return FillPanelCodes<5>(w, block, place, panel);
    case 6: return FillPanelCodes<6>(w, block, place, panel);
    case kLevelCodes: return FillPanelCodes<kLevelCodes>(w, block, place, panel);
    default: return FillPanelCodes<8>(w, block, place, panel);
  }
}

/// sums += panels x inputs for kTokens tokens and kBlocks blocks. One sum for each output, in the order of the inputs, so
/// that it depends on nothing else; the other outputs hide the latency of an addition.
template <std::size_t kTokens, std::size_t kBlocks>
HWY_NOINLINE void AddTokens(const float* HWY_RESTRICT panels, std::size_t inputs, const float* HWY_RESTRICT x,
                            std::size_t stride, float* HWY_RESTRICT sums) {
  constexpr std::size_t kV = kBlocks * kVectors;
  const DF df;
  VF acc[kTokens][kV];
  for (std::size_t t = 0; t < kTokens; ++t)
    for (std::size_t v = 0; v < kV; ++v) acc[t][v] = hn::Load(df, sums + t * kItemRows + v * kRows);
  for (std::size_t k = 0; k < inputs; ++k) {
    VF weights[kV];
    for (std::size_t v = 0; v < kV; ++v)
      weights[v] = hn::Load(df, panels + v / kVectors * kPanelFloats + k * kBlock + v % kVectors * kRows);
    for (std::size_t t = 0; t < kTokens; ++t) {
      const VF value = hn::Set(df, x[t * stride + k]);
      for (std::size_t v = 0; v < kV; ++v) acc[t][v] = hn::MulAdd(weights[v], value, acc[t][v]);
    }
  }
  for (std::size_t t = 0; t < kTokens; ++t)
    for (std::size_t v = 0; v < kV; ++v) hn::Store(acc[t][v], df, sums + t * kItemRows + v * kRows);
}

void AddPanels(const float* panels, std::size_t blocks, std::size_t inputs, const float* x, std::size_t stride,
               std::size_t tokens, float* sums) {
  // Outputs that stay in registers: many tokens read a weight once, one token wants several blocks.
  constexpr std::size_t kTokens = kVectors > 2 ? 2 : 6, kBlocks = kVectors == 1 ? kItemBlocks : 1;
  const auto add = [&](auto token_count, auto block_count, std::size_t t) LIEQ_LAMBDA {
    constexpr std::size_t kT = decltype(token_count)::value, kB = decltype(block_count)::value;
    std::size_t b = 0;
    for (; b + kB <= blocks; b += kB)
      AddTokens<kT, kB>(panels + b * kPanelFloats, inputs, x + t * stride, stride, sums + t * kItemRows + b * kBlock);
    for (; b < blocks; ++b)
      AddTokens<kT, 1>(panels + b * kPanelFloats, inputs, x + t * stride, stride, sums + t * kItemRows + b * kBlock);
  };
  std::size_t t = 0;
  for (; t + kTokens <= tokens; t += kTokens)
    add(std::integral_constant<std::size_t, kTokens>(), std::integral_constant<std::size_t, kBlocks>(), t);
  for (; t < tokens; ++t)
    add(std::integral_constant<std::size_t, 1>(), std::integral_constant<std::size_t, kItemBlocks>(), t);
}

#endif

void MultiplyF32(const FloatProduct& p, float* HWY_RESTRICT sums) {
  constexpr std::size_t kRowsInBlock = pack::PackedMatrix::kBlockRows;
  HWY_ALIGN float panels[kItemBlocks * kPanelFloats];
  for (std::size_t done = 0; done < p.blocks; done += kItemBlocks) {
    const std::size_t block = p.first_block + done, blocks = std::min(kItemBlocks, p.blocks - done);
    std::memset(sums, 0, p.tokens * kItemRows * sizeof(float));
    std::size_t input = 0, inputs = 0;
    for (FloatPlace place; place.group < p.weight->groups(); input += inputs) {
      FloatPlace next;
      for (std::size_t b = 0; b < blocks; ++b) {
        next = place;
        inputs = FillPanel(*p.weight, block + b, next, panels + b * kPanelFloats);
      }
      place = next;
      AddPanels(panels, blocks, inputs, p.x.data() + p.first_token * p.x.stride() + input, p.x.stride(), p.tokens,
                sums);
    }
    const std::size_t first = block * kRowsInBlock, rows = std::min(blocks * kRowsInBlock, p.weight->rows() - first);
    for (std::size_t t = 0; t < p.tokens; ++t) {
      float* y = p.y.row(p.first_token + t).data() + first;
      for (std::size_t r = 0; r < rows; ++r)
        y[r] = sums[t * kItemRows + r] + (p.bias.empty() ? 0.0F : p.bias[first + r]);
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
  HWY_DYNAMIC_DISPATCH(MultiplyF32)(product, sums.reserve(product.tokens * kFloatItemBlocks * pack::PackedMatrix::kBlockRows));
}

void decode_block(const pack::PackedMatrix& weight, std::size_t block, MatrixView<float> rows) {
  LIEQ_CHECK(block < weight.blocks() && rows.cols() == weight.cols());
  HWY_DYNAMIC_DISPATCH(DecodeBlock)(weight, block, rows);
}

}  // namespace lieq::kernels
#endif
