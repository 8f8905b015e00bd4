#pragma once
/// Keys and values of the tokens seen so far, for decoding one token at a time.

#include <cstddef>
#include <vector>

#include "lieq/kernels/buffer.h"
#include "lieq/kernels/key_values.h"
#include "lieq/model/config.h"

namespace lieq::model {

/// Run state of one sequence, allocated for `capacity` tokens at once; the system gives memory as tokens come.
class KvCache {
 public:
  /// `type`: kF16, or kF32 for twice the memory and no rounding.
  KvCache(const ModelConfig& config, std::size_t capacity, DType type = DType::kF16)
      : capacity_(capacity),
        shape_{type,   config.num_key_value_heads, config.head_dim, kernels::round_up_to_panel(capacity), nullptr,
               nullptr},
        layers_(config.num_hidden_layers) {
    LIEQ_CHECK(type == DType::kF16 || type == DType::kF32);
    for (LayerCache& layer : layers_) {
      layer.keys.reserve(layer_bytes());
      layer.values.reserve(layer_bytes());
    }
  }

  [[nodiscard]] std::size_t length() const { return length_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t bytes() const { return 2 * layers_.size() * layer_bytes(); }

  /// Where a layer keeps its keys and values.
  [[nodiscard]] kernels::KeyValues layer(std::size_t l) {
    kernels::KeyValues view = shape_;
    view.keys = layers_[l].keys.reserve(layer_bytes());
    view.values = layers_[l].values.reserve(layer_bytes());
    return view;
  }
  /// Marks `tokens` further rows of every layer as filled.
  void advance(std::size_t tokens) {
    LIEQ_CHECK(tokens <= capacity_ - length_);
    length_ += tokens;
  }
  /// Forgets all but the first `tokens` rows.
  void truncate(std::size_t tokens) {
    LIEQ_CHECK(tokens <= length_);
    length_ = tokens;
  }

 private:
  struct LayerCache {
    kernels::Buffer<std::byte> keys, values;
  };
  [[nodiscard]] std::size_t layer_bytes() const { return *bytes_of(shape_.type, shape_.elements()); }

  std::size_t capacity_, length_ = 0;
  kernels::KeyValues shape_;
  std::vector<LayerCache> layers_;
};

}  // namespace lieq::model
