#pragma once
/// The tokens a model is diagnosed and fitted on: from a text, or written by the model itself.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/diagnose/passages.h"
#include "lieq/eval/bundle.h"

namespace lieq::pipeline {

struct CalibrationOptions {
  /// Texts with a comma between, each of which gives as many windows: .txt or .jsonl files, data sets (hub::find_text),
  /// "self": text the model writes, "builtin": prose, code and conversations that come with the program. A file of the
  /// whole name is that file.
  std::string source = "builtin,self";
  std::string field = "text";  ///< of a .jsonl record, that holds the text
  /// How many of all sources together, and tokens in each. 0: kCalibrationWindows of kCalibrationWindow, which shrinks
  /// to the model's max_position_embeddings.
  std::size_t windows = 0, window = 0;
  /// Half of those windows, for plain GPTQ (recipe.h): on a model of 135 M parameters it gained nothing from the other
  /// half (16 and 32 windows of 1024: perplexity 146.3 and 145.5, standard error 6.5; KL 1.806 and 1.808).
  bool plain = false;
  std::size_t validation_tokens = 0;  ///< to hold out as well, in whole windows: what refining is judged by
  std::uint64_t seed = 42;      ///< of "self"
  /// Folder where text of "self", and shares of KL, are kept by the model's contents; empty: nowhere.
  std::filesystem::path cache;
};

/// At the length that models are evaluated at. As many as leave a run on a model of 135 M parameters under five minutes
/// on two cores: the cost grows with the tokens.
inline constexpr std::size_t kCalibrationWindows = 24, kCalibrationWindow = 2048;

/// What one source gave.
struct CalibrationPart {
  std::string source;
  std::size_t windows = 0, held_out_windows = 0;
  std::string hash;  ///< hash_of its windows
};

struct Calibration {
  std::string source;                   ///< as it was asked for
  std::size_t window = 0;               ///< tokens
  std::vector<text::TokenId> ids;       ///< whole windows to fit to, one of each source in turn
  std::vector<text::TokenId> held_out;  ///< whole windows of the same sources that nothing is fitted to
  std::vector<text::TokenId> validation;  ///< others, that stop the refinement but are not fitted to; may be empty
  std::vector<CalibrationPart> parts;     ///< one a source
};

/// From a text: windows spread evenly over it, the last ones held out (of all sources one in sixteen, at least one of
/// each and at most four together, if there are no more sources), before them those of validation, at most an eighth of
/// the text; fewer than asked for, with a warning, if the text is short. Warns when the vocabulary hardly covers the
/// text (under two bytes a token). "self": eval::sample_self_text writes the windows and, beside them, the others, from the
/// first token on, at temperature 1.
/// Cost: reading and encoding the texts; for "self" a forward pass of every token, decoded in one batch.
/// Errors: kInvalidArgument for a text too short for one window of each, for a window longer than the model's
/// max_position_embeddings, fewer windows than sources, and names that are none; kCancelled; those of hub::find_text,
/// text::read_text and eval::sample_self_text. The same options and model give the same tokens.
[[nodiscard]] Result<Calibration> calibrate(const eval::Bundle& bundle, const CalibrationOptions& options,
                                            Threads& threads, Sink& sink);

/// Names token ids in records.
[[nodiscard]] std::string hash_of(std::span<const text::TokenId> ids);

/// The calibration tokens as texts to diagnose on, one document a window. Diagnosing encodes these texts anew, so that
/// its tokens may differ from those that are fitted to.
[[nodiscard]] diagnose::Corpus corpus_of(const Calibration& calibration, const text::Tokenizer& tokenizer);

}  // namespace lieq::pipeline
