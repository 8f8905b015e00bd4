#pragma once
/// Keys and values of the tokens seen so far, for decoding one token at a time.

#include <cstddef>
#include <vector>

#include "lieq/base/view.h"
#include "lieq/kernels/buffer.h"
#include "lieq/model/config.h"

namespace lieq::model {

/// Run state of one sequence: float32, allocated for `capacity` tokens at once.
class KvCache {
 public:
  KvCache(const ModelConfig& config, std::size_t capacity)
      : capacity_(capacity), width_(config.kv_size()), layers_(config.num_hidden_layers) {
    for (LayerCache& layer : layers_) {
      layer.keys.reserve(capacity * width_);
      layer.values.reserve(capacity * width_);
    }
  }

  [[nodiscard]] std::size_t length() const { return length_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t bytes() const { return 2 * layers_.size() * capacity_ * width_ * sizeof(float); }

  /// The first `tokens` rows of a layer's keys or values, [tokens, num_key_value_heads x head_dim].
  [[nodiscard]] MatrixView<float> keys(std::size_t layer, std::size_t tokens) { return view(layers_[layer].keys, tokens); }
  [[nodiscard]] MatrixView<float> values(std::size_t layer, std::size_t tokens) {
    return view(layers_[layer].values, tokens);
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
    kernels::Buffer<float> keys, values;
  };
  MatrixView<float> view(kernels::Buffer<float>& buffer, std::size_t tokens) const {
    LIEQ_CHECK(tokens <= capacity_);
    return {buffer.reserve(capacity_ * width_), tokens, width_};
  }

  std::size_t capacity_, width_, length_ = 0;
  std::vector<LayerCache> layers_;
};

}  // namespace lieq::model
