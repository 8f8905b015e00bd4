#include "lieq/kernels/read_words.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace lieq::kernels {

std::uint64_t read_words(Threads& threads, std::span<const std::uint64_t> words) {
  constexpr std::size_t kStreams = 4, kLine = 8, kPart = std::size_t{32} << 10;  // words of a line, of an item
  std::vector<std::uint64_t> sums((words.size() + kPart - 1) / kPart);
  threads.for_each(sums.size(), [&](std::size_t item, std::size_t) {
    std::uint64_t lanes[kLine] = {};
    const std::size_t first = item * kPart, count = std::min(words.size() - first, kPart);
    const std::size_t stream = count / kStreams / kLine * kLine;
    const std::uint64_t* data = words.data() + first;
    for (std::size_t k = 0; k < stream; k += kLine)
      for (std::size_t s = 0; s < kStreams; ++s)
        for (std::size_t l = 0; l < kLine; ++l) lanes[l] += data[s * stream + k + l];
    for (std::size_t k = kStreams * stream; k < count; ++k) lanes[0] += data[k];
    sums[item] = std::accumulate(std::begin(lanes), std::end(lanes), std::uint64_t{0});
  });
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

}  // namespace lieq::kernels
