#pragma once
/// Perplexity of named texts under named protocols.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/records.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/perplexity.h"
#include "lieq/eval/windows.h"

namespace lieq::eval {

enum class Protocol {
  kGptq,      ///< windows of the text in one piece (2048 tokens), the paper's
  kLlamaCpp,  ///< llama-perplexity's: windows of 512, second halves
  kLmEval,    ///< lm-evaluation-harness's rolling windows over documents, per word and byte
};

/// "gptq", "llamacpp", "lm-eval". Errors: kInvalidArgument listing them.
[[nodiscard]] Result<Protocol> protocol_of(std::string_view name);

/// How the parts of a text are put together for the GPTQ protocol.
enum class TextKind {
  kPlain,     ///< as it is; documents of a .jsonl file joined by an empty line
  kWikitext,  ///< rows joined by an empty line; pages and detokenizer for lm-eval
  kPtb,       ///< lines without blanks at their ends, joined by a blank
  kC4,        ///< the first 1100 documents joined by a blank, then the first 256 windows
};

/// "wikitext" (the harness's task: lm-eval), "wikitext2", "ptb", "c4": perplexity tasks. nullopt for any other name.
[[nodiscard]] std::optional<TextKind> text_kind(std::string_view task);

/// The kind of a text that the user named, found at `file`: of a data set (also "wikitext2-valid", "c4-train", ...) its
/// own; a .txt file that begins with a WikiText heading (" = Title = ") is kWikitext, whatever its name; else kPlain.
[[nodiscard]] TextKind kind_of(std::string_view name, const std::filesystem::path& file);

struct TextOptions {
  Protocol protocol = Protocol::kGptq;
  TextKind kind = TextKind::kPlain;
  std::size_t window = 0;  ///< tokens; 0: 2048 (gptq), 512 (llamacpp), the model's max_position_embeddings (lm-eval)
  std::size_t stride = 0;  ///< gptq: tokens between starts of windows; 0: the window
  std::size_t chunks = 0;  ///< score so many windows only; 0: all
  double limit = 0;        ///< lm-eval: so many documents only, below 1 this share of them; 0: all
  std::string field = "text";
};

/// A text, read: one piece, or documents with what the harness divides by.
struct EvalText {
  std::vector<std::string> documents;
  std::vector<std::size_t> words, bytes;  ///< of each document as it is stored, before any detokenizer
};

/// Errors: those of text::read_documents; kInvalidFormat for a text without words.
[[nodiscard]] Result<EvalText> read_eval_text(const std::filesystem::path& file, const TextOptions& options,
                                              Sink& sink);

/// A text cut up for one model.
struct TextPlan {
  WindowPlan plan;
  std::size_t window = 0, stride = 0;
  std::vector<std::size_t> document_windows;  ///< lm-eval: windows of each document
};

/// Errors: kInvalidArgument naming `place` (too few tokens, a window beyond the model's); those of PromptEncoder.
[[nodiscard]] Result<TextPlan> plan_text(const EvalText& text, const Bundle& bundle, const TextOptions& options,
                                         const std::string& place);

/// -log p of each document of the lm-eval protocol, nats.
[[nodiscard]] std::vector<double> document_nll(const TokenScores& scores, const TextPlan& plan);

/// The word and byte measures of the lm-eval protocol; standard errors are those of a ratio of sums over documents.
void summarise_documents(const TokenScores& scores, const EvalText& text, const TextPlan& plan, EvalRecord& record);

}  // namespace lieq::eval
