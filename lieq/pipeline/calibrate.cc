#include "lieq/pipeline/calibrate.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "lieq/eval/self_text.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/safetensors.h"
#include "lieq/io/safetensors_writer.h"
#include "lieq/model/fingerprint.h"
#include "lieq/text/corpus.h"

namespace lieq::pipeline {
namespace {

using text::TokenId;

/// Held-out windows: one in sixteen, at most this many.
constexpr std::size_t kMostHeldOut = 4;

std::size_t held_out_of(std::size_t windows) { return std::clamp<std::size_t>(windows / 16, 1, kMostHeldOut); }

/// Windows of validation.
std::size_t validation_of(const CalibrationOptions& options, std::size_t window) {
  return (options.validation_tokens + window - 1) / window;
}

std::vector<TokenId> read_cached(const std::filesystem::path& file, std::size_t count) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  const auto tensors = io::open_safetensors(file);
  const io::Tensor* ids = tensors ? tensors->find("ids") : nullptr;
  if (!ids || ids->type != DType::kI32 || ids->shape != std::vector<std::size_t>{count}) return {};
  std::vector<TokenId> values(count);
  std::memcpy(values.data(), ids->data.data(), ids->data.size());
  return values;
}

/// A cache that cannot be written costs time, nothing else.
void write_cached(const std::filesystem::path& file, const std::vector<TokenId>& ids) {
  std::error_code ignored;
  std::filesystem::create_directories(file.parent_path(), ignored);
  auto writer = io::SafetensorsWriter::create(file, {{"ids", DType::kI32, {ids.size()}}});
  if (!writer || !writer->write("ids", ids.data(), ids.size() * sizeof ids[0])) return;
  (void)std::move(*writer).finish();
}

Result<Calibration> from_self(const eval::Bundle& bundle, const CalibrationOptions& options, Threads& threads,
                              Sink& sink) {
  Calibration made;
  made.source = "self";
  made.window =
      options.window ? options.window : std::min<std::size_t>(512, bundle.model.config.max_position_embeddings);
  const std::size_t windows = options.windows ? options.windows : options.plain ? 32 : 64;
  const std::size_t held_out = held_out_of(windows);
  const eval::SelfTextOptions sampling{.sequences = windows + held_out + validation_of(options, made.window),
                                       .length = made.window,
                                       .temperature = 1,
                                       .seed = options.seed};
  const std::filesystem::path& folder = options.cache;
  const std::filesystem::path file =
      folder / fmt::format("self-{}-{}x{}-{}.safetensors", model::fingerprint(bundle.model, threads),
                           sampling.sequences, sampling.length, sampling.seed);
  made.ids = folder.empty() ? std::vector<TokenId>() : read_cached(file, sampling.sequences * sampling.length);
  if (made.ids.empty()) {
    LIEQ_ASSIGN(made.ids, eval::sample_self_text(bundle.model, sampling, threads, sink));
    if (!folder.empty() && threads.ranks().is_first()) write_cached(file, made.ids);
  }
  const auto split = made.ids.begin() + static_cast<std::ptrdiff_t>(windows * made.window);
  const auto rest = split + static_cast<std::ptrdiff_t>(held_out * made.window);
  made.held_out.assign(split, rest);
  made.validation.assign(rest, made.ids.end());
  made.ids.erase(split, made.ids.end());
  return made;
}

Result<Calibration> from_file(const eval::Bundle& bundle, const CalibrationOptions& options, Sink& sink) {
  Calibration made;
  made.source = options.source;
  made.window =
      options.window ? options.window : std::min<std::size_t>(1024, bundle.model.config.max_position_embeddings);
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(options.source, sink));
  LIEQ_ASSIGN(const std::string text, text::read_text(file, text::Join::kWhole, sink, options.field));
  const std::vector<TokenId> ids = bundle.tokenizer.encode(text, text::SpecialTokens::kAdd);
  const std::size_t available = ids.size() / made.window;
  const std::size_t least = options.validation_tokens > 0 ? 3 : 2;
  if (available < least)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: found {} tokens, expected at least {} windows of {} (a shorter window, or a longer text)",
                    options.source, ids.size(), least == 3 ? "three" : "two", made.window));
  const double coverage = static_cast<double>(text.size()) / static_cast<double>(ids.size());
  if (coverage < 2)
    sink.warn(
        fmt::format("{}: {:.2f} bytes a token: the vocabulary hardly covers this text, is it the model's language?",
                    options.source, coverage));
  const std::size_t wanted = options.windows ? options.windows : options.plain ? 16 : 32;
  const std::size_t held_out = held_out_of(std::min(wanted, available));
  const std::size_t validation =
      std::min(validation_of(options, made.window), std::max<std::size_t>(1, available / 8));
  const std::size_t fitted = available - held_out - validation;
  const std::size_t windows = std::min(wanted, fitted);
  if (windows < wanted)
    sink.warn(fmt::format("{}: {} calibration windows of {} tokens, fewer than the {} asked for", options.source,
                          windows, made.window, wanted));
  const auto append = [&](std::vector<TokenId>& target, std::size_t w) {
    target.insert(target.end(), ids.begin() + static_cast<std::ptrdiff_t>(w * made.window),
                  ids.begin() + static_cast<std::ptrdiff_t>((w + 1) * made.window));
  };
  for (std::size_t w = 0; w < windows; ++w) append(made.ids, w * fitted / windows);
  for (std::size_t w = 0; w < validation; ++w) append(made.validation, fitted + w);
  for (std::size_t w = 0; w < held_out; ++w) append(made.held_out, fitted + validation + w);
  return made;
}

}  // namespace

Result<Calibration> calibrate(const eval::Bundle& bundle, const CalibrationOptions& options, Threads& threads,
                              Sink& sink) {
  const std::size_t limit = bundle.model.config.max_position_embeddings;
  if (options.window > limit)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("calibration window: found {}, expected at most max_position_embeddings = {} of {}",
                            options.window, limit, bundle.model.path.string()));
  return options.source == "self" ? from_self(bundle, options, threads, sink) : from_file(bundle, options, sink);
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
