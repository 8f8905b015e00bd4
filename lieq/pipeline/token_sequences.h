#pragma once
/// Calibration windows cut into the sequences that the backward pass takes.

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "lieq/text/tokenizer.h"

namespace lieq::pipeline {

/// Sequences of equal length; what is left of a window is not used.
struct TokenSequences {
  std::size_t length = 0;
  std::vector<text::TokenId> ids;

  TokenSequences(const std::vector<text::TokenId>& windows, std::size_t window, std::size_t wanted)
      : length(std::min(wanted, window)) {
    for (std::size_t first = 0; first + window <= windows.size(); first += window)
      for (std::size_t t = 0; t + length <= window; t += length) {
        const auto begin = windows.begin() + static_cast<std::ptrdiff_t>(first + t);
        ids.insert(ids.end(), begin, begin + static_cast<std::ptrdiff_t>(length));
      }
  }
  [[nodiscard]] std::size_t count() const { return ids.size() / length; }
  [[nodiscard]] std::span<const text::TokenId> at(std::size_t first, std::size_t sequences) const {
    return std::span(ids).subspan(first * length, sequences * length);
  }
};

}  // namespace lieq::pipeline
