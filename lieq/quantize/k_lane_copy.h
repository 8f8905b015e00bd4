#pragma once
/// Private to quantize/: one block of up to 16 rows between KFitted and the lane order of k_grid.h.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lieq/quantize/k_fitted.h"
#include "lieq/quantize/k_grid.h"

namespace lieq::quantize {

/// Block `b` of rows [first, first + rows).
inline void store_block(const LaneBlock& block, std::size_t first, std::size_t rows, std::size_t b, KFitted& fitted) {
  const std::size_t subs = fitted.form.sub_blocks();
  for (std::size_t l = 0; l < rows; ++l) {
    const std::size_t i = first + l;
    fitted.d[i * fitted.blocks() + b] = block.units[l].d;
    fitted.dmin[i * fitted.blocks() + b] = block.units[l].dmin;
    for (std::size_t s = 0; s < subs; ++s) {
      fitted.scales[i * fitted.sub_blocks() + b * subs + s] = static_cast<std::int8_t>(block.scales[s][l]);
      fitted.minima[i * fitted.sub_blocks() + b * subs + s] = static_cast<std::uint8_t>(block.minima[s][l]);
    }
    std::uint8_t* codes = &fitted.codes[i * fitted.cols + b * pack::kBlockWeights];
    for (std::size_t k = 0; k < pack::kBlockWeights; ++k)
      codes[k] = static_cast<std::uint8_t>(block.codes[k * kLanes + l]);
  }
}

/// Missing rows are 0.
inline void load_block(const KFitted& fitted, std::size_t first, std::size_t rows, std::size_t b, LaneBlock& block) {
  const std::size_t subs = fitted.form.sub_blocks();
  block = {};
  block.codes.assign(pack::kBlockWeights * kLanes, 0);
  for (std::size_t l = 0; l < rows; ++l) {
    const std::size_t i = first + l;
    block.units[l] = {fitted.d[i * fitted.blocks() + b], fitted.dmin[i * fitted.blocks() + b]};
    for (std::size_t s = 0; s < subs; ++s) {
      block.scales[s][l] = static_cast<float>(fitted.scales[i * fitted.sub_blocks() + b * subs + s]);
      block.minima[s][l] = static_cast<float>(fitted.minima[i * fitted.sub_blocks() + b * subs + s]);
    }
    const std::uint8_t* codes = &fitted.codes[i * fitted.cols + b * pack::kBlockWeights];
    for (std::size_t k = 0; k < pack::kBlockWeights; ++k) block.codes[k * kLanes + l] = static_cast<float>(codes[k]);
  }
}

}  // namespace lieq::quantize
