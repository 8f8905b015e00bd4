#pragma once
/// The one way to look inside a forward pass: diagnosis, calibration and golden tests all use it.

#include <cstddef>
#include <span>

#include "lieq/base/view.h"
#include "lieq/model/tensor_table.h"

namespace lieq::model {

/// Every view is [tokens, features], valid during the call only, and covers all sequences of the batch in order.
class Observer {
 public:
  virtual ~Observer() = default;
  /// The residual stream that block `layer` reads. [tokens, hidden_size]
  virtual void block_input(std::size_t /*layer*/, MatrixView<const float> /*x*/) {}
  /// What the linears `kinds` of block `layer` read; q, k and v, and gate and up, read the same.
  virtual void linear_input(std::size_t /*layer*/, std::span<const LinearKind> /*kinds*/,
                            MatrixView<const float> /*x*/) {}
  /// The residual stream after block `layer`. [tokens, hidden_size]
  virtual void block_output(std::size_t /*layer*/, MatrixView<const float> /*x*/) {}
};

}  // namespace lieq::model
