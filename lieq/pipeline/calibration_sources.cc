#include "lieq/pipeline/calibration_sources.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "lieq/eval/self_text.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/safetensors.h"
#include "lieq/io/safetensors_writer.h"
#include "lieq/pipeline/builtin_text.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/run_memory.h"
#include "lieq/text/corpus.h"

namespace lieq::pipeline {
namespace {

using text::TokenId;

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

/// The name of a cached text: what decides it.
std::string cached_name(const eval::SelfTextOptions& sampling, const eval::Bundle& bundle, Threads& threads) {
  return fmt::format("self-{}-{}x{}-t{}-p{}-{}.safetensors", bundle.fingerprint(threads),
                     sampling.sequences, sampling.length, sampling.sampling.temperature, sampling.sampling.top_p,
                     sampling.sampling.seed);
}

/// What is written in one piece: longer windows are several of these, since many short texts side by side take less
/// time than few long ones.
constexpr std::size_t kSelfLength = 512;

StageSize sampling_size(const model::Model& model, const eval::SelfTextOptions& options) {
  const std::size_t batches = eval::self_text_batches(model, options),
                    most = (options.sequences + batches - 1) / batches;
  const auto caches = static_cast<double>(most * model::KvCache(model.config, options.length).bytes());
  const auto work = static_cast<double>(batches) * steps_work(model, options.length, most, true);
  return {work, base_memory(model.config) + packed_memory(model) + caches + pass_memory(model.config, most)};
}

Result<SourceWindows> from_self(const WindowCounts& counts, const eval::Bundle& bundle,
                                const CalibrationOptions& options, Threads& threads, Sink& sink) {
  const std::size_t windows = counts.fitted + counts.held_out + counts.validation;
  const std::size_t pieces = counts.window % kSelfLength == 0 ? counts.window / kSelfLength : 1;
  eval::SelfTextOptions sampling{.sequences = windows * pieces, .length = counts.window / pieces};
  // As the model has it: going on from openings, at temperature 0.8, the text was narrower and worse (docs/quality.md).
  sampling.sampling.seed = options.seed;
  const std::filesystem::path& folder = options.cache;
  const std::filesystem::path file = folder.empty() ? folder : folder / cached_name(sampling, bundle, threads);
  std::vector<TokenId> ids =
      folder.empty() ? std::vector<TokenId>() : read_cached(file, sampling.sequences * sampling.length);
  if (ids.empty()) {
    // As many side by side as leave room in what fitting the layers to this text takes later.
    const double walk = walk_memory(bundle.model, {}, {windows * counts.window, counts.window, threads.count()});
    sampling.cache_bytes = std::max(sampling.cache_bytes, static_cast<std::size_t>(walk));
    tell("writing calibration text", sampling_size(bundle.model, sampling), threads, sink);
    LIEQ_ASSIGN(ids, eval::sample_self_text(bundle.model, sampling, threads, sink));
    if (!folder.empty() && threads.ranks().is_first()) write_cached(file, ids);
  }
  const auto fitted = ids.begin() + static_cast<std::ptrdiff_t>(counts.fitted * counts.window);
  const auto held_out = fitted + static_cast<std::ptrdiff_t>(counts.held_out * counts.window);
  return SourceWindows{{ids.begin(), fitted}, {fitted, held_out}, {held_out, ids.end()}};
}

/// Windows spread evenly over a text, the last ones held out, before them those of validation.
Result<SourceWindows> cut(const std::vector<TokenId>& ids, WindowCounts counts, const std::string& source, Sink& sink) {
  const std::size_t available = ids.size() / counts.window, least = counts.validation > 0 ? 3 : 2;
  if (available < least)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: found {} tokens, expected at least {} windows of {} (a shorter window, or a longer text)",
                    source, ids.size(), least == 3 ? "three" : "two", counts.window));
  counts.held_out = std::clamp<std::size_t>(available / 16, 1, counts.held_out);
  counts.validation = std::min(counts.validation, std::max<std::size_t>(1, available / 8));
  const std::size_t for_fitting = available - counts.held_out - counts.validation;
  const std::size_t windows = std::min(counts.fitted, for_fitting);
  if (windows < counts.fitted)
    sink.warn(fmt::format("{}: {} calibration windows of {} tokens, fewer than the {} asked for", source, windows,
                          counts.window, counts.fitted));
  const auto append = [&](std::vector<TokenId>& target, std::size_t w) {
    target.insert(target.end(), ids.begin() + static_cast<std::ptrdiff_t>(w * counts.window),
                  ids.begin() + static_cast<std::ptrdiff_t>((w + 1) * counts.window));
  };
  SourceWindows made;
  for (std::size_t w = 0; w < windows; ++w) append(made.fitted, w * for_fitting / windows);
  for (std::size_t w = 0; w < counts.validation; ++w) append(made.validation, for_fitting + w);
  for (std::size_t w = 0; w < counts.held_out; ++w) append(made.held_out, for_fitting + counts.validation + w);
  return made;
}

Result<std::vector<TokenId>> tokens_of_file(const std::string& source, const eval::Bundle& bundle,
                                            const std::string& field, Sink& sink) {
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(source, sink));
  LIEQ_ASSIGN(const std::string text, text::read_text(file, text::Join::kWhole, sink, field));
  std::vector<TokenId> ids = bundle.tokenizer.encode(text, text::SpecialTokens::kAdd);
  const double coverage = static_cast<double>(text.size()) / static_cast<double>(std::max<std::size_t>(1, ids.size()));
  if (coverage < 2)
    sink.warn(
        fmt::format("{}: {:.2f} bytes a token: the vocabulary hardly covers this text, is it the model's language?",
                    source, coverage));
  return ids;
}

}  // namespace

Result<std::vector<std::string>> texts_in(const std::string& argument) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(argument, ignored)) return std::vector<std::string>{argument};
  std::vector<std::string> texts;
  for (std::size_t at = 0; at <= argument.size();) {
    const std::size_t end = std::min(argument.find(',', at), argument.size());
    std::string text = argument.substr(at, end - at);
    if (text.empty())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("texts '{}': found an empty name, expected names with a comma between", argument));
    if (std::ranges::count(texts, text) > 0)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("texts '{}': found {} twice, expected it once", argument, text));
    texts.push_back(std::move(text));
    at = end + 1;
  }
  return texts;
}

Result<SourceWindows> windows_of(const std::string& source, const WindowCounts& counts, const eval::Bundle& bundle,
                                 const CalibrationOptions& options, Threads& threads, Sink& sink) {
  if (source == kSelf) return from_self(counts, bundle, options, threads, sink);
  if (source == kBuiltin) return cut(builtin_tokens(bundle), counts, source, sink);
  LIEQ_ASSIGN(const std::vector<TokenId> ids, tokens_of_file(source, bundle, options.field, sink));
  return cut(ids, counts, source, sink);
}

}  // namespace lieq::pipeline
