#pragma once
/// Options of run and chat, named as in llama.cpp.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "lieq/base/sink.h"
#include "lieq/cli/options.h"
#include "lieq/eval/generate.h"
#include "lieq/eval/generation_config.h"
#include "lieq/eval/sample.h"

namespace lieq::cli {

/// What the user asked for; the rest is the verb's default.
struct SamplingFlags {
  std::optional<double> temperature, top_p, min_p, repeat_penalty;
  std::optional<std::size_t> top_k;
  std::uint64_t seed = 42;

  void add_to(OptionSet& app, const std::string& defaults);
  /// `defaults` with what the user asked for. Errors: those of eval::check.
  [[nodiscard]] Result<eval::SamplingOptions> over(eval::SamplingOptions defaults) const;
};

/// A prompt that is given with -p or in the file of -f.
struct PromptFlags {
  std::string text, file;
  void add_to(OptionSet& app, const std::string& what);
  [[nodiscard]] bool given() const { return !text.empty() || !file.empty(); }
  /// The text, repaired, with a warning when it was no UTF-8. Errors: kNotFound, kIo.
  [[nodiscard]] Result<std::string> read(Sink& sink) const;
};

/// How much and how fast, over all answers.
struct Speed {
  std::size_t prompt_tokens = 0, new_tokens = 0, steps = 0;
  double prompt_seconds = 0, decode_seconds = 0;
  void add(const eval::Generation& generation);
  /// One line on standard error.
  void print() const;
};

}  // namespace lieq::cli
