// Sums of code · input over one piece, and what they add to the output: what products of few tokens and of many have in
// common. Included like packed_vectors-inl.h, by packed_int8_stream-inl.h and packed_int8_tile-inl.h.

#include "lieq/kernels/packed_vectors-inl.h"
#include "lieq/kernels/dot8-inl.h"

constexpr std::size_t kPieceUnits = Int8Inputs::kPiece / Int8Inputs::kUnit;

/// What is taken off doubled zero points where codes are taken as signed.
template <unsigned kCodes>
constexpr int kZeroOffset = kValueBits<kCodes> == 8 && kSignedCodes8 ? 256 : 0;

/// Part of a unit that a piece is: all of it (and maybe the next one), or half.
enum Part { kWhole, kFirstHalf, kSecondHalf };

/// Four inputs in each lane.
HWY_INLINE VI8 Broadcast4(const std::int8_t* x) {
  std::int32_t four = 0;
  std::memcpy(&four, x, 4);
  return hn::BitCast(DI8(), hn::Set(D32(), four));
}

/// total[t][v] = Σ code · input over one piece. A Source has kVectorCount vectors of rows, Codes<kStep>(v) of the unit
/// it is at, Advance() to the next unit, and kChains accumulators for each sum, which Merge() makes one.
template <unsigned kCodes, std::size_t kTokens, Part kPart, class Source>
HWY_INLINE void DotPiece(Source& source, std::size_t units, const std::int8_t* HWY_RESTRICT x, std::size_t stride,
                         V32 (&total)[kTokens][Source::kVectorCount]) {
  constexpr unsigned kBits = kValueBits<kCodes>;
  constexpr std::size_t kV = Source::kVectorCount;
  constexpr int kFirst = kPart == kSecondHalf ? kUnitSteps / 2 : 0;
  constexpr int kSteps = kPart == kWhole ? kUnitSteps : kUnitSteps / 2;
  // Sums are widened at the end, or as often as they must.
  constexpr int kFit = kStepsThatFit<kBits>;
  constexpr bool kAtEnd = kFit >= (kPart == kWhole ? 2 * kUnitSteps : kSteps);
  constexpr int kEvery = kFit >= 8 ? kSteps : kFit >= 4 ? 4 : kFit >= 2 ? 2 : 1;
  VAcc acc[kTokens][kV][Source::kChains];
  const std::int8_t* row[kTokens];
  for (std::size_t t = 0; t < kTokens; ++t) {
    row[t] = x + t * stride;
    // GCC would rather keep an offset from x for every token and step than a pointer for every token, and spill them.
    if constexpr (kTokens > 1) __asm__("" : "+r"(row[t]));
  }
  const auto clear = [&]() LIEQ_LAMBDA {
    for (auto& token : acc)
      for (auto& vector : token)
        for (auto& chain : vector) chain = ZeroAcc();
  };
  const auto widen = [&]() LIEQ_LAMBDA {
    for (std::size_t t = 0; t < kTokens; ++t) {
      for (std::size_t v = 0; v < kV; ++v) {
        const V32 sum = Widen(Source::Merge(acc[t][v]));
        total[t][v] = kAtEnd ? sum : hn::Add(total[t][v], sum);
      }
    }
  };
  if constexpr (kAtEnd) {
    clear();
  } else {
    for (auto& token : total)
      for (auto& vector : token) vector = hn::Zero(D32());
  }
  do {
    ForSteps<kSteps>([&](auto step) LIEQ_LAMBDA {
      constexpr int kNumber = decltype(step)::value, kStep = kFirst + kNumber;
      if constexpr (!kAtEnd && kNumber % kEvery == 0) clear();
      V8 codes[kV];
      for (std::size_t v = 0; v < kV; ++v) codes[v] = source.template Codes<kStep>(v);
      for (std::size_t t = 0; t < kTokens; ++t) {
        const VI8 four = Broadcast4(row[t] + 4 * kNumber);
        for (std::size_t v = 0; v < kV; ++v) {
          VAcc& sum = acc[t][v][kStep % Source::kChains];
          sum = DotOf<kBits>(sum, codes[v], four);
        }
      }
      if constexpr (!kAtEnd && kNumber % kEvery == kEvery - 1) widen();
    });
    if constexpr (kPart != kFirstHalf) source.Advance();
    for (auto& inputs : row) inputs += Int8Inputs::kUnit;
  } while (kPart == kWhole && --units > 0);
  if constexpr (kAtEnd) widen();
}

/// What a piece adds to y: with zero points weight_scale · (scale · total - origin · half_sum), with minima
/// weight_scale · scale · total + origin · half_sum.
template <bool kMinima>
HWY_INLINE VF AddPiece(VF y, V32 total, VF weight_scale, VF origin, VF scale, VF half_sum) {
  const VF product = hn::Mul(hn::ConvertTo(DF(), total), scale);
  if constexpr (kMinima) return hn::MulAdd(origin, half_sum, hn::MulAdd(weight_scale, product, y));
  return hn::MulAdd(weight_scale, hn::NegMulAdd(origin, half_sum, product), y);
}

HWY_INLINE void StoreRows(const Int8Product& product, const float* sums, std::size_t stride, std::size_t first_row,
                          std::size_t rows, std::size_t first_token, std::size_t tokens) {
  for (std::size_t t = 0; t < tokens; ++t) {
    float* y = product.y.row(first_token + t).data() + first_row;
    for (std::size_t r = 0; r < rows; ++r)
      y[r] = sums[t * stride + r] + (product.bias.empty() ? 0.0F : product.bias[first_row + r]);
  }
}
