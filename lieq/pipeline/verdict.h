#pragma once
/// What a quantised model lost, on text that nothing was fitted to.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/records.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/text_tasks.h"
#include "lieq/pipeline/calibrate.h"

namespace lieq::pipeline {

/// A model is called broken when its perplexity on held-out text is more than this many times the original's.
inline constexpr double kCollapse = 10;

struct HeldOut {
  std::string name;
  std::vector<text::TokenId> ids;
  std::size_t window = 0;  ///< tokens
  eval::TextKind kind = eval::TextKind::kPlain;
};

struct HeldOutRequest {
  std::string text;                    ///< empty: what the calibration held out
  std::size_t window = 0, chunks = 0;  ///< as QuantizeOptions::text_window and text_chunks
};
/// calibration is read without a text only. Errors: kInvalidArgument when not one window fits, or it is longer than the
/// model's limit; those of hub::find_text and eval::read_eval_text.
[[nodiscard]] Result<HeldOut> held_out_of(const HeldOutRequest& request, const eval::Bundle& bundle,
                                          const Calibration& calibration, Sink& sink);

/// The original in memory, the model made in its folder, and what records call both.
struct Scored {
  const model::Model* original = nullptr;
  std::string original_name;
  std::filesystem::path made;
  std::string made_name;
};
/// Perplexity of both, KL and agreement of the second, as read back from its files. Errors: those of Model::load and
/// eval::score_windows.
[[nodiscard]] Result<std::vector<EvalRecord>> score_both(const Scored& models, const HeldOut& held, Threads& threads,
                                                         Sink& sink);

/// One line when the second model's perplexity is beyond kCollapse times the first's, or no number.
[[nodiscard]] std::optional<std::string> warning_of(const std::vector<EvalRecord>& records);

/// Perplexity of the model in `made` with embedding and head as the original holds them.
[[nodiscard]] Result<double> perplexity_with_stored_embeddings(const Scored& models, const HeldOut& held,
                                                               Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
