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
#include "lieq/quantize/options.h"

namespace lieq::pipeline {

struct CalibrationOptions {
  /// A .txt or .jsonl file, a data set (hub::find_text), or "self": text the model writes.
  std::string source = "self";
  std::string field = "text";           ///< of a .jsonl record, that holds the text
  std::size_t windows = 0, window = 0;  ///< tokens in a window; 0: 32 x 1024 from a text, 64 x 512 from the model itself
  /// Half of those windows, for plain GPTQ (is_plain): on a model of 135 M parameters it gained nothing from the other
  /// half (16 and 32 windows of 1024: perplexity 146.3 and 145.5, standard error 6.5; KL 1.806 and 1.808).
  bool plain = false;
  std::uint64_t seed = 42;      ///< of "self"
  std::filesystem::path cache;  ///< folder where text of "self" is kept by the model's contents; empty: nowhere
};

struct Calibration {
  std::string source;                   ///< as it was asked for
  std::size_t window = 0;               ///< tokens
  std::vector<text::TokenId> ids;       ///< whole windows to fit to
  std::vector<text::TokenId> held_out;  ///< whole windows of the same source that nothing is fitted to
};

/// From a text: windows spread evenly over it, the last ones held out (one in sixteen, at most four); fewer than asked
/// for, with a warning, if the text is short. "self": eval::sample_self_text. Warns when the vocabulary hardly covers
/// the text (under two bytes a token).
/// Cost: reading and encoding the text; for "self" a forward pass of every token, decoded in one batch.
/// Errors: kInvalidArgument when not even one window and one held out fit, or a window is longer than the model's
/// max_position_embeddings; kCancelled; those of the reader. The same options and model give the same tokens.
[[nodiscard]] Result<Calibration> calibrate(const eval::Bundle& bundle, const CalibrationOptions& options,
                                            Threads& threads, Sink& sink);

/// Plain GPTQ, which needs less calibration text (CalibrationOptions::plain).
[[nodiscard]] bool is_plain(const quantize::Options& options);

/// Names token ids in records.
[[nodiscard]] std::string hash_of(std::span<const text::TokenId> ids);

/// The calibration tokens as texts to diagnose on, one document a window.
[[nodiscard]] diagnose::Corpus corpus_of(const Calibration& calibration, const text::Tokenizer& tokenizer);

}  // namespace lieq::pipeline
