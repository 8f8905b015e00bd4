#include <algorithm>
#include <bit>
#include <limits>

#include "lieq/kernels/packed_int8.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lieq/kernels/int8_inputs.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lieq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// count: a multiple of 16. Writes codes, scale and half sum of one piece.
void RoundPiece(const float* HWY_RESTRICT x, std::size_t count, std::int8_t* HWY_RESTRICT codes, float* scale,
                float* half_sum) {
  const hn::CappedTag<float, 16> df;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::Rebind<std::int8_t, decltype(df)> d8;
  const std::size_t lanes = hn::Lanes(df);
  // Magnitudes compare as integers do, with infinity and NaN on top.
  auto largest = hn::Zero(di);
  const auto magnitude = hn::Set(di, std::numeric_limits<std::int32_t>::max());
  for (std::size_t j = 0; j < count; j += lanes)
    largest = hn::Max(largest, hn::And(magnitude, hn::BitCast(di, hn::LoadU(df, x + j))));
  const float max = std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(di, largest)));

  const bool finite = max <= std::numeric_limits<float>::max();
  const float inverse = finite && max >= 0x1p-120F ? 127.0F / max : 0.0F;
  auto sum = hn::Zero(di);
  for (std::size_t j = 0; j < count; j += lanes) {
    const auto q = inverse == 0 ? hn::Zero(di) : hn::NearestInt(hn::Mul(hn::LoadU(df, x + j), hn::Set(df, inverse)));
    sum = hn::Add(sum, q);
    hn::StoreU(hn::DemoteTo(d8, q), d8, codes + j);
  }
  *scale = !finite ? std::numeric_limits<float>::quiet_NaN() : inverse == 0 ? 0.0F : max / 127.0F;
  *half_sum = 0.5F * *scale * static_cast<float>(hn::GetLane(hn::SumOfLanes(di, sum)));
}

}  // namespace lieq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lieq::kernels {

HWY_EXPORT(RoundPiece);

namespace {

constexpr std::size_t kUnit = Int8Inputs::kUnit, kPiece = Int8Inputs::kPiece;

void round_token(const pack::PackedMatrix& weight, const float* x, std::int8_t* codes, float* scales,
                 float* half_sums) {
  const std::size_t group_size = weight.group_size();
  const auto order = weight.order();
  const auto round = HWY_DYNAMIC_DISPATCH(RoundPiece);
  for (std::size_t g = 0; g < weight.groups(); ++g) {
    for (std::size_t first = 0; first < group_size; first += kPiece) {
      const std::size_t count = std::min(kPiece, group_size - first), begin = g * group_size + first;
      const std::size_t padded = padded_inputs(weight, count);
      const float* source = x + begin;
      float gathered[kPiece];
      if (!order.empty() || padded != count) {
        for (std::size_t k = 0; k < count; ++k)
          gathered[k] = order.empty() ? source[k] : x[static_cast<std::size_t>(order[begin + k])];
        std::fill(gathered + count, gathered + padded, 0.0F);
        source = gathered;
      }
      round(source, padded, codes, scales++, half_sums++);
      codes += padded;
    }
  }
}

}  // namespace

bool same_pieces(const pack::PackedMatrix& a, const pack::PackedMatrix& b) {
  return a.cols() == b.cols() && a.group_size() == b.group_size() && a.is_paired() == b.is_paired() &&
         std::ranges::equal(a.order(), b.order());
}

void round_to_int8(Threads& threads, const pack::PackedMatrix& weight, MatrixView<const float> x, Int8Inputs& rounded) {
  rounded.tokens = x.rows();
  // One line more than the inputs need, so that rows of 4096 do not all fall into the same set of the first-level
  // cache.
  rounded.stride = weight.units() * kUnit + 64;
  rounded.pieces = weight.groups() * ((weight.group_size() + kPiece - 1) / kPiece);
  std::int8_t* codes = rounded.codes.reserve(rounded.tokens * rounded.stride);
  float* scales = rounded.scales.reserve(rounded.tokens * rounded.pieces);
  float* half_sums = rounded.half_sums.reserve(rounded.tokens * rounded.pieces);
  const auto body = [&](std::size_t t, std::size_t) {
    round_token(weight, x.row(t).data(), codes + t * rounded.stride, scales + t * rounded.pieces,
                half_sums + t * rounded.pieces);
  };
  constexpr std::size_t kWorthThreads = 32768;  // inputs; fewer take less time than waking a thread
  if (x.rows() * x.cols() < kWorthThreads) {
    for (std::size_t t = 0; t < x.rows(); ++t) body(t, 0);
  } else {
    threads.for_each(x.rows(), body);
  }
}

}  // namespace lieq::kernels
#endif
