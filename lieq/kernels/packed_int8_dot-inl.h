// Sums of code · input over one piece, and what they add to the output: what products of few tokens and of many have in
// common. Included like packed_vectors-inl.h, by packed_int8_stream-inl.h and packed_int8_tile-inl.h.

#include "lieq/kernels/packed_vectors-inl.h"
#include "lieq/kernels/dot8-inl.h"

constexpr std::size_t kPieceUnits = Int8Inputs::kPiece / Int8Inputs::kUnit;

/// What is taken off doubled zero points where codes are taken as signed.
template <unsigned kBits>
constexpr int kZeroOffset = kBits == 8 && kSignedCodes8 ? 256 : 0;

/// Four inputs in each lane.
HWY_INLINE VI8 Broadcast4(const std::int8_t* x) {
  std::int32_t four = 0;
  std::memcpy(&four, x, 4);
  return hn::BitCast(DI8(), hn::Set(D32(), four));
}

/// total[t][v] = Σ code · input over one piece. A Source has kVectorCount vectors of rows, Codes<kStep>(v) of the unit it
/// is at, Advance() to the next unit, and kChains accumulators for each sum, which Merge() makes one.
template <unsigned kBits, std::size_t kTokens, class Source>
HWY_INLINE void DotPiece(Source& source, std::size_t units, const std::int8_t* HWY_RESTRICT x, std::size_t stride,
                         V32 (&total)[kTokens][Source::kVectorCount]) {
  constexpr std::size_t kV = Source::kVectorCount;
  constexpr int kFit = kStepsThatFit<kBits>;
  constexpr bool kByStep = kFit < kUnitSteps, kByUnit = kFit < 2 * kUnitSteps;
  VAcc acc[kTokens][kV][Source::kChains];
  const std::int8_t* row[kTokens];
  for (std::size_t t = 0; t < kTokens; ++t) {
    row[t] = x + t * stride;
    // GCC would rather keep an offset from x for every token and step than a pointer for every token, and spill them.
    if constexpr (kTokens > 1) __asm__("" : "+r"(row[t]));
  }
  const auto clear = [&]() HWY_ATTR LIEQ_INLINE_LAMBDA {
    for (auto& token : acc)
      for (auto& vector : token)
        for (auto& chain : vector) chain = ZeroAcc();
  };
  const auto add_unit = [&]() HWY_ATTR LIEQ_INLINE_LAMBDA {
    ForSteps([&](auto step) HWY_ATTR LIEQ_INLINE_LAMBDA {
      constexpr int kStep = decltype(step)::value;
      V8 codes[kV];
      for (std::size_t v = 0; v < kV; ++v) codes[v] = source.template Codes<kStep>(v);
      for (std::size_t t = 0; t < kTokens; ++t) {
        const VI8 four = Broadcast4(row[t] + 4 * kStep);
        for (std::size_t v = 0; v < kV; ++v) {
          VAcc& sum = acc[t][v][kStep % Source::kChains];
          if constexpr (kByStep) {
            total[t][v] = hn::Add(total[t][v], Widen(DotOf<kBits>(ZeroAcc(), codes[v], four)));
          } else {
            sum = DotOf<kBits>(sum, codes[v], four);
          }
        }
      }
    });
    source.Advance();
    for (auto& inputs : row) inputs += Int8Inputs::kUnit;
  };
  const auto widen = [&](auto first) HWY_ATTR LIEQ_INLINE_LAMBDA {
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t v = 0; v < kV; ++v) {
        const V32 sum = Widen(Source::Merge(acc[t][v]));
        total[t][v] = decltype(first)::value ? sum : hn::Add(total[t][v], sum);
      }
    }
  };
  if constexpr (kByStep) {
    for (auto& token : total)
      for (auto& vector : token) vector = hn::Zero(D32());
    for (std::size_t u = 0; u < units; ++u) add_unit();
  } else {
    clear();
    add_unit();
    if constexpr (kByUnit) widen(std::true_type());
    if (units == kPieceUnits) {
      if constexpr (kByUnit) clear();
      add_unit();
      if constexpr (kByUnit) widen(std::false_type());
    }
    if constexpr (!kByUnit) widen(std::true_type());
  }
}

/// y + weight_scale · (scale · total - double_zero · half_sum)
HWY_INLINE VF AddPiece(VF y, V32 total, VF weight_scale, VF double_zero, VF scale, VF half_sum) {
  const VF product = hn::Mul(hn::ConvertTo(DF(), total), scale);
  return hn::MulAdd(weight_scale, hn::NegMulAdd(double_zero, half_sum, product), y);
}

HWY_INLINE void StoreRows(const Int8Product& product, const float* sums, std::size_t stride, std::size_t first_row,
                          std::size_t rows, std::size_t first_token, std::size_t tokens) {
  for (std::size_t t = 0; t < tokens; ++t) {
    float* y = product.y.row(first_token + t).data() + first_row;
    for (std::size_t r = 0; r < rows; ++r)
      y[r] = sums[t * stride + r] + (product.bias.empty() ? 0.0F : product.bias[first_row + r]);
  }
}
