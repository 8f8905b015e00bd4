#include "lieq/kernels/key_values.h"

#include <algorithm>
#include <cstdint>

#include "lieq/kernels/attention_tile.h"

namespace lieq::kernels {
namespace {

void convert_16(const float* source, float* target) { std::copy_n(source, kPanel, target); }
void convert_16(const float* source, std::uint16_t* target) { to_half_16(source, target); }

/// One head of one row. k, v: [head_dim].
template <class T>
void store_head(const KeyValues& target, std::size_t head, std::size_t position, const float* k, const float* v) {
  const std::size_t padded = round_up_to_panel(target.head_dim);
  T* key = static_cast<T*>(target.keys) + (head * target.capacity + position / kPanel * kPanel) * target.head_dim +
           position % kPanel;
  T* value = static_cast<T*>(target.values) + (head * target.capacity * padded) + position * kPanel;
  for (std::size_t j = 0; j < target.head_dim; j += kPanel) {
    const std::size_t count = std::min(kPanel, target.head_dim - j);
    float k_part[kPanel] = {}, v_part[kPanel] = {};
    std::copy_n(k + j, count, k_part);
    std::copy_n(v + j, count, v_part);
    T converted[kPanel];
    convert_16(k_part, converted);
    for (std::size_t i = 0; i < count; ++i) key[(j + i) * kPanel] = converted[i];
    convert_16(v_part, value + j * target.capacity);
  }
}

}  // namespace

void store_key_values(const KeyValues& target, std::size_t first, MatrixView<const float> k,
                      MatrixView<const float> v) {
  LIEQ_CHECK(k.cols() == target.heads * target.head_dim && v.cols() == k.cols() && v.rows() == k.rows());
  LIEQ_CHECK(first <= target.capacity && k.rows() <= target.capacity - first && target.capacity % kPanel == 0);
  const auto store = target.type == DType::kF16 ? store_head<std::uint16_t> : store_head<float>;
  for (std::size_t t = 0; t < k.rows(); ++t) {
    for (std::size_t head = 0; head < target.heads; ++head)
      store(target, head, first + t, k.row(t).data() + head * target.head_dim,
            v.row(t).data() + head * target.head_dim);
  }
}

}  // namespace lieq::kernels
