#pragma once
/// What the headers of io/ promise of an opened file, as checks that abort.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/check.h"
#include "lieq/io/tensors.h"
#include "lieq/pack/decode.h"
#include "lieq/pack/finite.h"

namespace lieq::fuzz {

/// One line that opens with the place and is not as long as the file wants it.
inline void check_message(const std::string& message) {
  LIEQ_CHECK(message.rfind("fuzz: ", 0) == 0);
  LIEQ_CHECK(message.size() < 1000);
  LIEQ_CHECK(std::all_of(message.begin(), message.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
}

/// The bytes lie inside the file and are shape x dtype; small tensors decode.
inline void check_tensor(const std::string& name, const io::Tensor& tensor, std::span<const std::byte> file) {
  LIEQ_CHECK(tensor.name == name && tensor.file == "fuzz");
  std::size_t elements = 1;
  for (const std::size_t n : tensor.shape) {
    const auto product = checked_mul(elements, n);
    LIEQ_CHECK(product.has_value());
    elements = *product;
  }
  LIEQ_CHECK(bytes_of(tensor.type, elements) == tensor.data.size());
  const std::less_equal<const std::byte*> before;
  LIEQ_CHECK(before(file.data(), tensor.data.data()));
  LIEQ_CHECK(before(tensor.data.data() + tensor.data.size(), file.data() + file.size()));
  if (!pack::is_weight_type(tensor.type) || elements > 100000) return;
  std::vector<float> weights(elements);
  pack::decode(tensor.type, tensor.data.data(), elements, weights.data());
  (void)pack::all_finite(tensor.type, tensor.data);
}

inline void check_disjoint(const io::TensorSet& set) {
  std::vector<std::span<const std::byte>> spans;
  for (const auto& [_, tensor] : set.all()) {
    if (!tensor.data.empty()) spans.push_back(tensor.data);
  }
  std::sort(spans.begin(), spans.end(), [](auto a, auto b) { return std::less<>()(a.data(), b.data()); });
  for (std::size_t i = 1; i < spans.size(); ++i)
    LIEQ_CHECK(spans[i - 1].data() + spans[i - 1].size() <= spans[i].data());
}

}  // namespace lieq::fuzz
