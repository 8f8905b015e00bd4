#pragma once
/// What a quantisation will take, said before it starts.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "lieq/base/bit_plan.h"
#include "lieq/base/result.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"

namespace lieq::pipeline {

struct RunSize {
  std::size_t tokens = 0, window = 0;                ///< of the calibration
  std::size_t scored_tokens = 0, scored_window = 0;  ///< of the final table
  std::size_t passes = 2;  ///< over these: the original, the model made, that with its embedding as stored
  std::size_t threads = 1;
};

struct Estimate {
  double seconds = 0;
  std::uint64_t memory = 0;                ///< bytes beside the mapped model
  std::uint64_t disk = 0;                  ///< bytes, while it runs
  std::optional<std::uint64_t> disk_free;  ///< where the output goes; absent: the system does not say
};

/// Multiply-adds a second of one thread, as a product of 512 x 512 x 512 measures them now.
[[nodiscard]] double multiply_rate();

/// Multiply-adds of quantising and saving: the forward passes, Hessians and, from `first_layer` on, the fits.
[[nodiscard]] double quantize_work(const model::Model& model, const BitPlan& plan, const quantize::Options& options,
                                   const RunSize& size, std::size_t first_layer = 0);

/// Multiply-adds of scoring so many tokens in windows.
[[nodiscard]] double pass_work(const model::Model& model, std::size_t tokens, std::size_t window);

/// Exports are not counted. Time: the multiplications of the forward passes, Hessians, fits and the final table, at the
/// rate a short product measures now; within about 30 % if the machine stays as busy as it is. output: the folder to
/// make.
[[nodiscard]] Estimate estimate(const model::Model& model, const BitPlan& plan, const quantize::Options& options,
                                const RunSize& size, const std::filesystem::path& output);

/// A further stage of a run on so many threads.
struct StageSize {
  double work = 0, memory = 0;  ///< multiply-adds; bytes beside the mapped model
};
/// Adds its time; the stage with the most memory decides how much is needed.
void add(const StageSize& stage, std::size_t threads, Estimate& estimate);

/// Errors: kIo when less disk is free than the work needs, less what lies there already. place: opens the message.
[[nodiscard]] Result<void> check_disk(const Estimate& estimate, std::uint64_t there_already, const std::string& place);

}  // namespace lieq::pipeline
