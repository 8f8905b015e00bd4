#include "lieq/eval/text_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <utility>

#include "lieq/base/check.h"
#include "lieq/base/lines.h"
#include "lieq/eval/prompt_encoder.h"
#include "lieq/eval/python_text.h"
#include "lieq/text/corpus.h"

namespace lieq::eval {
namespace {

using model::TokenId;

constexpr std::size_t kGptqWindow = 2048, kLlamaCppWindow = 512;
constexpr std::size_t kC4Documents = 1100, kC4Windows = 256;

Unexpected invalid(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

/// Lines, each without blanks at its ends, with a blank between them; a line end at the end is none.
std::string join_sentences(std::string_view text) {
  std::string joined;
  for (bool first = true; !text.empty(); first = false)
    joined.append(first ? "" : " ").append(python_strip(take_line(text)));
  return joined;
}

Result<std::string> joined_text(const std::filesystem::path& file, const TextOptions& options, Sink& sink) {
  const bool gptq = options.protocol == Protocol::kGptq;
  if (gptq && options.kind == TextKind::kC4) {
    LIEQ_ASSIGN(const auto documents, text::read_documents(file, sink, options.field));
    std::string joined;
    for (std::size_t i = 0; i < std::min(documents.size(), kC4Documents); ++i)
      joined.append(i == 0 ? "" : " ").append(documents[i]);
    return joined;
  }
  const text::Join join = gptq && options.kind == TextKind::kWikitext ? text::Join::kRows : text::Join::kWhole;
  LIEQ_ASSIGN(std::string text, text::read_text(file, join, sink, options.field));
  return gptq && options.kind == TextKind::kPtb ? join_sentences(text) : std::move(text);
}

Result<std::size_t> window_of(const TextOptions& options, const Bundle& bundle) {
  const std::size_t limit = bundle.model.config.max_position_embeddings;
  const std::size_t usual = options.protocol == Protocol::kGptq ? kGptqWindow : kLlamaCppWindow;
  if (options.window == 0) return options.protocol == Protocol::kLmEval ? limit : std::min(usual, limit);
  if (options.window > limit)
    return invalid(fmt::format("--window: found {}, expected at most max_position_embeddings = {} of {}",
                               options.window, limit, bundle.model.path.string()));
  return options.window;
}

Result<TextPlan> plan_documents(const EvalText& text, const Bundle& bundle, std::size_t window,
                                const std::string& place) {
  LIEQ_ASSIGN(const PromptEncoder encoder, PromptEncoder::create(bundle, window));
  const auto prefix = encoder.prefix_token();
  if (!prefix)
    return fail(ErrorCode::kUnsupported, fmt::format("{}: no BOS or EOS token, expected one to begin a document with",
                                                     bundle.model.path.string()));
  TextPlan result{{}, window, window, {}};
  for (const std::string& document : text.documents) {
    const std::size_t before = result.plan.windows.size();
    append_rolling_windows(encoder.encode(document), window, *prefix, result.plan);
    result.document_windows.push_back(result.plan.windows.size() - before);
  }
  if (result.plan.windows.empty()) return invalid(place + ": found no tokens, expected some");
  return result;
}

/// exp or bits of a mean over units, with the error that the spread of the documents gives it.
struct Rate {
  double nll = 0, std_error = 0;  ///< nats per unit
};

Rate rate_of(const std::vector<double>& nll, const std::vector<std::size_t>& units) {
  const double total = static_cast<double>(std::accumulate(units.begin(), units.end(), std::size_t{0}));
  const auto n = static_cast<double>(nll.size());
  Rate rate{std::accumulate(nll.begin(), nll.end(), 0.0) / total, 0};
  double squares = 0;
  for (std::size_t d = 0; d < nll.size(); ++d)
    squares += std::pow(nll[d] - rate.nll * static_cast<double>(units[d]), 2);
  if (n > 1) rate.std_error = std::sqrt(squares * n / (n - 1)) / total;
  return rate;
}

}  // namespace

Result<Protocol> protocol_of(std::string_view name) {
  if (name == "gptq") return Protocol::kGptq;
  if (name == "llamacpp") return Protocol::kLlamaCpp;
  if (name == "lm-eval") return Protocol::kLmEval;
  return invalid(fmt::format("protocol: found '{}', expected gptq, llamacpp or lm-eval", name));
}

std::optional<TextKind> text_kind(std::string_view task) {
  if (task == "wikitext" || task == "wikitext2") return TextKind::kWikitext;
  if (task == "ptb") return TextKind::kPtb;
  if (task == "c4") return TextKind::kC4;
  return std::nullopt;
}

TextKind kind_of(std::string_view name, const std::filesystem::path& file) {
  if (const auto known = text_kind(name.substr(0, name.find('-')))) return *known;
  if (file.extension() == ".jsonl") return TextKind::kPlain;
  std::ifstream stream(file);
  std::string line;
  while (std::getline(stream, line) && python_strip(line).empty()) continue;
  return line.starts_with(" = ") && line.ends_with(" = ") ? TextKind::kWikitext : TextKind::kPlain;
}

Result<EvalText> read_eval_text(const std::filesystem::path& file, const TextOptions& options, Sink& sink) {
  EvalText text;
  if (options.protocol != Protocol::kLmEval) {
    LIEQ_ASSIGN(std::string joined, joined_text(file, options, sink));
    text.documents.push_back(std::move(joined));
    return text;
  }
  LIEQ_ASSIGN(text.documents, text::read_documents(file, sink, options.field));
  const bool wikitext = options.kind == TextKind::kWikitext && file.extension() != ".jsonl";
  if (wikitext) text.documents = wikitext_pages(std::string(text.documents.at(0)));
  const auto documents = static_cast<double>(text.documents.size());
  const double wanted = options.limit < 1 ? std::ceil(options.limit * documents) : options.limit;
  if (wanted > 0 && wanted < documents) text.documents.resize(static_cast<std::size_t>(wanted));
  for (std::string& document : text.documents) {
    text.words.push_back(count_words(document));
    text.bytes.push_back(document.size());
    if (options.kind == TextKind::kWikitext) document = wikitext_detokenize(std::move(document));
  }
  if (std::accumulate(text.bytes.begin(), text.bytes.end(), std::size_t{0}) == 0)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: holds no text, expected some", file.string()));
  return text;
}

Result<TextPlan> plan_text(const EvalText& text, const Bundle& bundle, const TextOptions& options,
                           const std::string& place) {
  LIEQ_ASSIGN(const std::size_t window, window_of(options, bundle));
  if (options.protocol == Protocol::kLmEval) return plan_documents(text, bundle, window, place);
  const std::size_t stride = options.stride == 0 ? window : options.stride;
  if (stride > window)
    return invalid(fmt::format("--stride: found {}, expected at most the window, {}", stride, window));
  std::vector<TokenId> ids = bundle.tokenizer.encode(text.documents.at(0), text::SpecialTokens::kAdd);
  if (ids.size() < window)
    return invalid(
        fmt::format("{}: found {} tokens, expected at least one window of {} (--window)", place, ids.size(), window));
  TextPlan result{{}, window, stride, {}};
  if (options.protocol == Protocol::kGptq) {
    if (options.kind == TextKind::kC4) ids.resize(std::min(ids.size(), kC4Windows * window));
    result.plan = gptq_windows(std::move(ids), window, stride);
  } else {
    if (window < 4) return invalid(fmt::format("--window: found {}, expected at least 4 for llamacpp", window));
    const std::vector<TokenId> special = bundle.tokenizer.encode("", text::SpecialTokens::kAdd);
    result.plan = llamacpp_windows(std::move(ids), window, special.empty() ? -1 : special.front());
  }
  if (options.chunks > 0 && options.chunks < result.plan.windows.size()) {
    result.plan.windows.resize(options.chunks);
    result.plan.ids.resize(result.plan.windows.back().begin + window);
  }
  return result;
}

std::vector<double> document_nll(const TokenScores& scores, const TextPlan& plan) {
  std::vector<double> nll;
  std::size_t window = 0, token = 0;
  for (const std::size_t windows : plan.document_windows) {
    double sum = 0;
    for (const std::size_t last = window + windows; window < last; ++window) {
      const Window& one = plan.plan.windows[window];
      for (std::size_t t = one.first_scored; t < one.size; ++t) sum += static_cast<double>(scores.nll[token++]);
    }
    nll.push_back(sum);
  }
  LIEQ_CHECK(token == scores.nll.size());
  return nll;
}

void summarise_documents(const TokenScores& scores, const EvalText& text, const TextPlan& plan, EvalRecord& record) {
  const std::vector<double> nll = document_nll(scores, plan);
  const Rate word = rate_of(nll, text.words), byte = rate_of(nll, text.bytes);
  record.word_perplexity = std::exp(word.nll);
  record.word_perplexity_stderr = *record.word_perplexity * word.std_error;
  record.byte_perplexity = std::exp(byte.nll);
  record.byte_perplexity_stderr = *record.byte_perplexity * byte.std_error;
  record.bits_per_byte = byte.nll / std::log(2.0);
  record.bits_per_byte_stderr = byte.std_error / std::log(2.0);
}

}  // namespace lieq::eval
