#pragma once
/// The tokens a model is diagnosed and fitted on: from a file, or written by the model itself.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/cli/options.h"
#include "lieq/diagnose/passages.h"
#include "lieq/eval/bundle.h"

namespace lieq::cli {

struct CalibrationOptions {
  std::string source = "self", field = "text";
  std::size_t windows = 0, window = 0;  ///< 0: 32 x 1024 from a file, 64 x 512 from the model itself
  /// Half of those windows, for plain GPTQ: on a model of 135 M parameters it gained nothing from the other half
  /// (16 and 32 windows of 1024: perplexity 146.3 and 145.5, standard error 6.5; KL 1.806 and 1.808).
  bool plain = false;
  std::uint64_t seed = 42;
};

/// Registers --calib, --calib-field, --calib-windows, --calib-window and --calib-seed.
void add_calibration_options(OptionSet& app, CalibrationOptions& options);

struct Calibration {
  std::string source;                     ///< file name or "self"
  std::size_t window = 0;
  std::vector<text::TokenId> ids;         ///< whole windows to fit to
  std::vector<text::TokenId> held_out;    ///< whole windows of the same source that nothing is fitted to
};

/// From a file: windows spread evenly over the text, the last ones held out; fewer than asked for, with a warning, if
/// the text is short. `self`: eval::sample_self_text, kept in $XDG_CACHE_HOME/lieq (~/.cache/lieq) by the model's
/// contents. Warns when the vocabulary hardly covers the text (under two bytes a token). Errors: kInvalidArgument when
/// not even one window and one held out fit.
[[nodiscard]] Result<Calibration> make_calibration(const eval::Bundle& bundle, const CalibrationOptions& options,
                                                   Threads& threads, Sink& sink);

/// Names token ids in records.
[[nodiscard]] std::string hash_of(std::span<const text::TokenId> ids);

/// The calibration tokens as texts to diagnose on, one document a window.
[[nodiscard]] diagnose::Corpus corpus_of(const Calibration& calibration, const text::Tokenizer& tokenizer);

}  // namespace lieq::cli
