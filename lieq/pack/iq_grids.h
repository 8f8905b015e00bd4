#pragma once
/// The tables that IQ blocks index; all but the levels are private to pack/.

#include <array>
#include <cstddef>
#include <cstdint>

namespace lieq::pack {

/// Levels of IQ4_NL and IQ4_XS.
inline constexpr std::int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
/// The same plus 128.
alignas(16) inline constexpr std::array<std::uint8_t, 16> kIq4Codes = [] {
  std::array<std::uint8_t, 16> codes{};
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(kIq4Levels[i] + 128);
  return codes;
}();
/// Points of 8 weights, 2 bits each, which stand for 8, 25 and 43.
extern const std::uint16_t kGrid2Xxs[256], kGrid2Xs[512], kGrid2S[1024];
/// Points of 4 weights, 3 bits each, which stand for 4, 12, 20, 28, 36, 44, 52 and 62.
extern const std::uint16_t kGrid3Xxs[256];
/// Points of 4 weights, 3 bits each, which stand for 1, 3, ... 15.
extern const std::uint16_t kGrid3S[512];
/// Points of 8 weights, 2 bits each, which stand for -1, 0 and 1. (IQ1_S and IQ1_M)
extern const std::uint16_t kGrid1[2048];

}  // namespace lieq::pack
