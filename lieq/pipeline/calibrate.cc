#include "lieq/pipeline/calibrate.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/model/fingerprint.h"
#include "lieq/pipeline/calibration_sources.h"

namespace lieq::pipeline {
namespace {

using text::TokenId;

/// Held-out windows: one in sixteen, at most this many.
constexpr std::size_t kMostHeldOut = 4;

std::size_t held_out_of(std::size_t windows) { return std::clamp<std::size_t>(windows / 16, 1, kMostHeldOut); }

std::size_t rounded_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// One window of each in turn, until all are used up.
std::vector<TokenId> dealt(const std::vector<SourceWindows>& sources, std::vector<TokenId> SourceWindows::*part,
                           std::size_t window) {
  std::vector<TokenId> all;
  for (std::size_t at = 0, found = 1; found > 0; at += window) {
    found = 0;
    for (const SourceWindows& source : sources) {
      const std::vector<TokenId>& ids = source.*part;
      if (at >= ids.size()) continue;
      const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
      all.insert(all.end(), begin, begin + static_cast<std::ptrdiff_t>(window));
      ++found;
    }
  }
  return all;
}

}  // namespace

Result<Calibration> calibrate(const eval::Bundle& bundle, const CalibrationOptions& options, Threads& threads,
                              Sink& sink) {
  const std::size_t limit = bundle.model.config.max_position_embeddings;
  if (options.window > limit)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("calibration window: found {}, expected at most max_position_embeddings = {} of {}",
                            options.window, limit, bundle.model.path.string()));
  LIEQ_ASSIGN(const std::vector<std::string> names, texts_in(options.source));
  const std::size_t wanted = options.windows ? options.windows
                             : options.plain ? kCalibrationWindows / 2
                                             : kCalibrationWindows;
  if (wanted < names.size())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("calibration windows: found {}, expected one of each of {}", wanted, options.source));
  Calibration made;
  made.source = options.source;
  made.window = options.window ? options.window : std::min(kCalibrationWindow, limit);
  const std::size_t validation = rounded_up(options.validation_tokens, made.window);
  std::vector<SourceWindows> sources(names.size());
  const auto read = [&](std::size_t s) -> Result<void> {
    const WindowCounts counts{.window = made.window,
                              .fitted = (s + 1) * wanted / names.size() - s * wanted / names.size(),
                              .held_out = rounded_up(held_out_of(wanted), names.size()),
                              .validation = rounded_up(validation, names.size())};
    LIEQ_ASSIGN(sources[s], windows_of(names[s], counts, bundle, options, threads, sink));
    return {};
  };
  // What is wrong with a file is said before the model writes for minutes.
  for (std::size_t s = 0; s < names.size(); ++s)
    if (names[s] != kSelf) LIEQ_TRY(read(s));
  for (std::size_t s = 0; s < names.size(); ++s)
    if (names[s] == kSelf) LIEQ_TRY(read(s));
  for (std::size_t s = 0; s < names.size(); ++s)
    made.parts.push_back({names[s], sources[s].fitted.size() / made.window, sources[s].held_out.size() / made.window,
                          hash_of(sources[s].fitted)});
  made.ids = dealt(sources, &SourceWindows::fitted, made.window);
  made.held_out = dealt(sources, &SourceWindows::held_out, made.window);
  made.validation = dealt(sources, &SourceWindows::validation, made.window);
  return made;
}

std::string hash_of(std::span<const TokenId> ids) { return model::fingerprint(ids.data(), ids.size_bytes()); }

diagnose::Corpus corpus_of(const Calibration& calibration, const text::Tokenizer& tokenizer) {
  diagnose::Corpus corpus;
  corpus.name = calibration.source;
  for (std::size_t first = 0; first + calibration.window <= calibration.ids.size(); first += calibration.window)
    corpus.documents.push_back(
        tokenizer.decode(std::span(calibration.ids).subspan(first, calibration.window), text::SpecialText::kSkip));
  return corpus;
}

}  // namespace lieq::pipeline
