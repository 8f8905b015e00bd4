#pragma once
/// What a quantisation and other long work will take, said before it starts.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lieq/base/bit_plan.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/model/model.h"
#include "lieq/pipeline/smoke_test.h"
#include "lieq/quantize/options.h"

namespace lieq::pipeline {

struct RunSize {
  bool fits = true;                                  ///< false: the layers are there, and nothing is fitted
  std::size_t tokens = 0, window = 0;                ///< of the calibration
  std::size_t scored_tokens = 0, scored_window = 0;  ///< of the final table
  std::size_t passes = 2;               ///< over these: the original, the model made, that with its embedding as stored
  std::size_t prompts = kSmokePrompts;  ///< of the smoke test
  double packed_embeddings = 0;         ///< bytes of embedding and head that the model made holds packed
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

/// Multiply-adds that so many steps of as many tokens as there are sequences cost, the arithmetic that of
/// eval::generate or, if `rounded`, of eval::sample_self_text: what they take where weights lie in memory, most of it
/// reading them.
[[nodiscard]] double steps_work(const model::Model& model, std::size_t steps, std::size_t sequences, bool rounded);

/// Exports are not counted, nor text and scores that are there by then. Time: the multiplications of the forward
/// passes, Hessians, fits, the final table and the smoke test, at the rate a short product measures now; within about
/// 25 % if the machine stays as busy as it is and the model fits in its memory. Memory: run_memory.h. output: the
/// folder to make.
[[nodiscard]] Estimate estimate(const model::Model& model, const BitPlan& plan, const quantize::Options& options,
                                const RunSize& size, const std::filesystem::path& output);

/// A stage of a run on so many threads.
struct StageSize {
  double work = 0, memory = 0;  ///< multiply-adds; bytes beside the mapped model
};
/// Scoring so many tokens with models side by side (eval::score_plan).
[[nodiscard]] StageSize scoring_size(std::span<const model::Model* const> models, std::size_t tokens,
                                     std::size_t window);
/// The perplexity drop of passages of so many tokens (diagnose::removal_nll). most: DropOptions::memory.
[[nodiscard]] StageSize drop_size(const model::Model& model, std::size_t tokens, std::size_t most);

/// The geometry of those passages (diagnose::diagnose).
[[nodiscard]] StageSize geometry_size(const model::Model& model, const diagnose::GeometryLoad& load,
                                      std::size_t threads);

struct SharesSize {
  std::size_t fitted = 0, window = 0;  ///< tokens that the draft is fitted to, and of a window of them
  std::size_t judged = 0, length = 0;  ///< tokens that KL is shared out on, and of a sequence of them
  std::size_t threads = 1;
};
/// Making a draft of so many bits, and the backward pass through it (add_kl_shares).
[[nodiscard]] StageSize shares_size(const model::Model& model, const quantize::Options& draft, unsigned bits,
                                    const SharesSize& size);

/// Writing a model as it is loaded into so many containers, one after the other, and reading each back. folders: some
/// of them are folders, which tensors are made for as a whole.
[[nodiscard]] StageSize export_size(const model::Model& model, std::size_t containers, bool folders);

/// Reading a prompt and writing up to so many tokens (eval::generate). cache: bytes of keys and values.
[[nodiscard]] StageSize generating_size(const model::Model& model, std::size_t prompt, std::size_t written,
                                        std::size_t cache);

/// Notes before a stage that takes more than a few seconds, or more memory than small models do: "WHAT takes about 12
/// min and 1.20 GB of memory beside the mapped model".
void tell(std::string_view what, const StageSize& stage, const Threads& threads, Sink& sink);

/// Adds its time; the stage with the most memory decides how much is needed.
void add(const StageSize& stage, std::size_t threads, Estimate& estimate);

/// Errors: kIo when less disk is free than the work needs, less what lies there already. place: opens the message.
[[nodiscard]] Result<void> check_disk(const Estimate& estimate, std::uint64_t there_already, const std::string& place);

}  // namespace lieq::pipeline
