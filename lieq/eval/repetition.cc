#include "lieq/eval/repetition.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>

namespace lieq::eval {

double repeated_share(std::span<const model::TokenId> ids) {
  using Gram = std::array<model::TokenId, 4>;
  if (ids.size() <= std::tuple_size_v<Gram>) return 0;
  const std::size_t count = ids.size() - std::tuple_size_v<Gram> + 1;
  std::set<Gram> seen;
  for (std::size_t i = 0; i < count; ++i) {
    Gram gram;
    std::ranges::copy(ids.subspan(i, gram.size()), gram.begin());
    seen.insert(gram);
  }
  return static_cast<double>(count - seen.size()) / static_cast<double>(count);
}

}  // namespace lieq::eval
