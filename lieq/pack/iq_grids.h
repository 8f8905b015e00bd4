#pragma once
/// Private to pack/: the tables that IQ blocks index.

#include <cstdint>

namespace lieq::pack {

/// Points of 8 weights, 2 bits each, which stand for 8, 25 and 43.
extern const std::uint16_t kGrid2Xxs[256], kGrid2Xs[512], kGrid2S[1024];
/// Points of 4 weights, 3 bits each, which stand for 4, 12, 20, 28, 36, 44, 52 and 62.
extern const std::uint16_t kGrid3Xxs[256];
/// Points of 4 weights, 3 bits each, which stand for 1, 3, ... 15.
extern const std::uint16_t kGrid3S[512];
/// Points of 8 weights, 2 bits each, which stand for -1, 0 and 1. (IQ1_S and IQ1_M)
extern const std::uint16_t kGrid1[2048];

}  // namespace lieq::pack
