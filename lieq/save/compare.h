#pragma once
/// Two models weight by weight: how an export is held against its source.

#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"

namespace lieq::save {

/// A tensor whose values are not those of the source.
struct TensorDifference {
  std::string name;               ///< Hugging Face's
  double largest_difference = 0;  ///< |written - source|, the largest of all values
  double largest_value = 0;       ///< |source|, the largest of all values
};

/// All tensors that differ in any value, in the order of the table; a tied head is compared once.
/// Errors: kInvalidFormat when configurations, shapes or parts differ, or a linear's weight is off by a quarter of its
/// step or more, so that another code was read; it names the tensor, row and column.
[[nodiscard]] Result<std::vector<TensorDifference>> compare_models(const model::Model& source,
                                                                   const model::Model& written, Threads& threads);

}  // namespace lieq::save
