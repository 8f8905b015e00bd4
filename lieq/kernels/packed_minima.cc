// The share that minima have in 8-bit products: Σ minimum · scale · Σ q, a small product in float32 for each token.
// Kept out of the loops over codes, which so know zero points only; those of a matrix with minima are 0.

#include <algorithm>

#include "lieq/kernels/packed_int8.h"

// Vectors here are kept in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/packed_minima.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void AddMinima(const Int8Product&, float*) {}  // multiply_int8_reference() has added them

#else

#include "lieq/kernels/packed_vectors-inl.h"

/// The minima of each piece of a block, doubled: those of half sums. panel: [pieces][16].
void FillMinima(const pack::PackedMatrix& w, std::size_t block, std::size_t pieces, float* HWY_RESTRICT panel) {
  const DF df;
  const std::size_t groups = w.groups(), per_group = pieces / groups;
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t p = 0; p < per_group; ++p, panel += kBlock) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        const VF minimum = ScalesOf(w.minima(block, g), v);
        hn::Store(hn::Add(minimum, minimum), df, panel + v * kRows);
      }
    }
  }
}

/// sums = Σ minimum · half_sum. Chains hide the latency of an addition.
void SumMinima(const float* HWY_RESTRICT panel, std::size_t pieces, const float* HWY_RESTRICT half_sums,
               float* HWY_RESTRICT sums) {
  constexpr std::size_t kChains = kVectors > 2 ? 2 : 4;
  const DF df;
  VF acc[kChains][kVectors];
  for (auto& chain : acc)
    for (auto& vector : chain) vector = hn::Zero(df);
  const auto add = [&](std::size_t p, VF (&chain)[kVectors]) HWY_ATTR LIEQ_INLINE_LAMBDA {
    const VF half_sum = hn::Set(df, half_sums[p]);
    for (std::size_t v = 0; v < kVectors; ++v)
      chain[v] = hn::MulAdd(hn::Load(df, panel + p * kBlock + v * kRows), half_sum, chain[v]);
  };
  std::size_t p = 0;
  for (; p + kChains <= pieces; p += kChains)
    for (std::size_t c = 0; c < kChains; ++c) add(p + c, acc[c]);
  for (; p < pieces; ++p) add(p, acc[0]);
  for (std::size_t v = 0; v < kVectors; ++v) {
    VF sum = acc[0][v];
    for (std::size_t c = 1; c < kChains; ++c) sum = hn::Add(sum, acc[c][v]);
    hn::Store(sum, df, sums + v * kRows);
  }
}

void AddMinima(const Int8Product& p, float* panel) {
  const std::size_t pieces = p.x->pieces;
  for (std::size_t b = p.first_block; b < p.first_block + p.blocks; ++b) {
    const std::size_t first = b * kBlock, rows = std::min(kBlock, p.weight->rows() - first);
    FillMinima(*p.weight, b, pieces, panel);
    for (std::size_t t = p.first_token; t < p.first_token + p.tokens; ++t) {
      HWY_ALIGN float sums[kBlock];
      SumMinima(panel, pieces, p.x->half_sums.data() + t * pieces, sums);
      float* y = p.y.row(t).data() + first;
      for (std::size_t r = 0; r < rows; ++r) y[r] += sums[r];
    }
  }
}

#endif

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(AddMinima);

void add_minima(const Int8Product& product) {
  static thread_local Buffer<float> panel;
  HWY_DYNAMIC_DISPATCH(AddMinima)(product, panel.reserve(product.x->pieces * pack::PackedMatrix::kBlockRows));
}

}  // namespace lieq::kernels
#endif
