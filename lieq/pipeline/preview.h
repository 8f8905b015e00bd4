#pragma once
/// What a calibration text is made of, to be looked at before hours are spent on it.

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/eval/bundle.h"
#include "lieq/pipeline/calibrate.h"

namespace lieq::pipeline {

struct CalibrationFacts {
  std::string source;
  std::size_t window = 0, windows = 0, held_out_windows = 0, tokens = 0;  ///< tokens: of the windows fitted to
  double bytes_per_token = 0;
  std::size_t distinct_tokens = 0;
  double vocabulary_share = 0;                        ///< of the model's vocab_size, that the windows meet
  std::string bos;                                    ///< the token the tokenizer puts first; empty: none
  std::size_t windows_with_bos = 0, doubled_bos = 0;  ///< windows that begin with it; places where it stands twice
  /// Markers of chat templates, such as "<|im_start|>" or "[INST]", that stand in the text but are no single token of
  /// this model: the text was written for another one.
  std::vector<std::string> cut_markers;
  std::vector<CalibrationPart> parts;      ///< one a source
  std::vector<std::string> first_windows;  ///< decoded, special tokens as text
};

/// Facts of a calibration, with its first `windows` windows as text. Deterministic; O(tokens).
[[nodiscard]] CalibrationFacts describe(const Calibration& calibration, const eval::Bundle& bundle,
                                        std::size_t windows = 0);

/// What of it is likely wrong, a line each: a doubled BOS, one that is nowhere, markers in pieces. Empty: nothing.
[[nodiscard]] std::vector<std::string> warnings_of(const CalibrationFacts& facts);

/// All but the decoded windows.
[[nodiscard]] Json to_json(const CalibrationFacts& facts);

}  // namespace lieq::pipeline
