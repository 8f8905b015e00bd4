#pragma once
/// The passages that layers are diagnosed on: texts cut by length into the paper's buckets (PAPER section 1).

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"
#include "lieq/text/tokenizer.h"

namespace lieq::diagnose {

using model::TokenId;

/// A range of lengths in tokens, special tokens included.
struct Bucket {
  std::size_t min, max;
  std::string_view name;
};
inline constexpr Bucket kBuckets[] = {{33, 128, "33-128"}, {129, 512, "129-512"}};

/// Text to cut. A generator of text (the model itself, say) fills one as well as a file does.
struct Corpus {
  std::string name;
  std::vector<std::string> documents;
  bool lines = false;  ///< documents are consecutive lines of one text, which may be joined
};

/// A .jsonl file: one document a record (`field`). Any other file: one document a line that is not blank, as in
/// WikiText, whose lines are paragraphs. Named after the file. Errors: those of text::read_documents.
[[nodiscard]] Result<Corpus> read_corpus(const std::filesystem::path& file, Sink& sink,
                                         std::string_view field = "text");

/// The passages of one corpus and bucket, in the order of the text.
struct Cell {
  std::string corpus, bucket;
  std::vector<std::vector<TokenId>> passages;
};

struct CutOptions {
  std::size_t per_bucket = 100;
  std::size_t longest = kBuckets[std::size(kBuckets) - 1].max;  ///< less where the model's max_position_embeddings is
};

/// Cuts each corpus into up to `per_bucket` passages for each bucket; cells without any are left out with a warning.
///
/// A document is a passage of the bucket its length falls in; a longer one is cut to its first 512 (`longest`) tokens,
/// or, if it is a line, into pieces of as many. Shorter than 33 tokens: left out. Of more passages than wanted, evenly
/// spaced ones are taken, so that they come from the whole text. A bucket that is not filled so is made in another way,
/// if that gives more: from lines (PTB's are sentences), as many consecutive ones as reach the bucket's middle (80, 320
/// tokens), cut at its maximum; from documents (C4's are long), the beginnings of those too long for it, of its middle
/// length.
/// Errors: kInvalidArgument when no cell is left. Deterministic for any thread count.
[[nodiscard]] Result<std::vector<Cell>> cut_passages(std::span<const Corpus> corpora, const text::Tokenizer& tokenizer,
                                                     const CutOptions& options, Threads& threads, Sink& sink);

/// The passages whose lengths are nearest to the median (of an even number the lower middle one), ties to the lowest
/// index: indices of up to `count`, ascending. With 1 this is the paper's representative passage as PAPER section 1
/// decides it.
[[nodiscard]] std::vector<std::size_t> representative(std::span<const std::vector<TokenId>> passages,
                                                      std::size_t count);

/// Each has 2 to max_position_embeddings tokens, all below vocab_size. Errors: kInvalidArgument naming passage and
/// model.
[[nodiscard]] Result<void> check_passages(const model::Model& model, std::span<const std::vector<TokenId>> passages);

}  // namespace lieq::diagnose
