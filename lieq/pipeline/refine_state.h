#pragma once
/// What a refinement goes on from after a kill (internal to pipeline/).

#include <cstddef>
#include <filesystem>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/pipeline/refine.h"
#include "lieq/tune/adam.h"

namespace lieq::pipeline {

/// Everything that decides the steps to come.
struct RefineState {
  /// size: of tune::TunedModel.
  explicit RefineState(std::size_t size) : values(size), best(size), adam(size) {}

  std::vector<float> values, best;  ///< free numbers: after the last step, and those with the least KL so far
  tune::Adam adam;
  std::size_t step = 0;  ///< steps made
  RefineRecord record;   ///< its start, best, best_step and history

  /// Writes the whole file or nothing. Errors: kIo.
  [[nodiscard]] Result<void> write(const std::filesystem::path& file) const;
  /// False: there is no file. Errors: kInvalidFormat when it holds another model's state.
  [[nodiscard]] Result<bool> read(const std::filesystem::path& file);
};

}  // namespace lieq::pipeline
