#pragma once
/// Job: whole layers go, those whose removal costs least perplexity.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/pipeline/calibrate.h"

namespace lieq::pipeline {

/// With scores, so many of the layers that they call least important are tried before one goes.
inline constexpr std::size_t kPruneCandidates = 4;

struct PruneOptions {
  std::string model;   ///< as load_bundle takes it; dense, or a GGUF file, which becomes dense
  std::string output;  ///< folder to make; must not exist
  /// Exactly one of both: how many layers go, or the perplexity on the held-out text that must not be exceeded.
  std::optional<std::size_t> drop;
  std::optional<double> keep_perplexity;
  std::string scores_file;                    ///< scores.json of this model: fewer layers are tried; empty: all are
  CalibrationOptions calibration;             ///< the text that chooses; its first 4096 tokens, unless it names windows
  std::string text;                           ///< held-out text for what it costs; empty: what the calibration held out
  std::size_t text_window = 0;                ///< tokens in a window of `text`; 0: 2048, or the model's limit
  std::size_t text_chunks = 0;                ///< score so many windows of it only; 0: all
  std::size_t memory = std::size_t{1} << 30;  ///< bytes for the activations of measuring all layers
};

/// A layer that went, in the order of going. Perplexities are those of the model after it.
struct Removal {
  std::size_t layer = 0;           ///< as the original numbers it
  std::optional<double> score;     ///< of scores_file
  double choosing_perplexity = 0;  ///< on the text that chooses: the least of all that were tried
  double perplexity = 0;           ///< on the held-out text
};

struct PruneRecord {
  std::string source, output;
  std::string choosing_text, text;
  std::size_t choosing_tokens = 0, tokens = 0;     ///< that are predicted
  double choosing_perplexity = 0, perplexity = 0;  ///< of the whole model
  std::vector<Removal> removals;
  std::vector<std::size_t> kept;  ///< original numbers, ascending
  std::size_t parameters_before = 0, parameters = 0;
  std::uintmax_t bytes = 0;  ///< of the folder
};
[[nodiscard]] Json to_json(const PruneRecord& record);

/// Greedy: one layer after the other goes, the one whose removal leaves the least perplexity on the text that chooses,
/// all measured anew each time, since what a layer is worth depends on those that are left. Without scores every layer
/// is tried (diagnose::removal_nll), with them the kPruneCandidates that score lowest. Then writes a Hugging Face
/// folder with layers renumbered, reads it back and compares it with what was measured.
/// With keep_perplexity the last layer is not taken whose removal exceeds it.
/// Cost: for each removal L / 2 passes over the choosing text, or kPruneCandidates with scores, and one over the
/// held-out text. Nothing of it resumes; nothing is written before all are chosen.
/// Errors: kInvalidArgument (not one of drop and keep_perplexity; as many layers as there are; a perplexity that no
/// removal keeps; an output that exists), kUnsupported (save::check_prunable), kInvalidFormat (scores of another
/// model), kIo, kCancelled; those of load_bundle, of calibrate(), of hub::find_text and eval::read_eval_text for the
/// held-out text, and of diagnose::removal_nll and eval::score_windows.
[[nodiscard]] Result<PruneRecord> prune(const PruneOptions& options, Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
