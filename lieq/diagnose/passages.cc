#include "lieq/diagnose/passages.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "lieq/text/corpus.h"

namespace lieq::diagnose {
namespace {

using Ids = std::vector<TokenId>;

bool holds(const Bucket& bucket, std::size_t tokens) { return tokens >= bucket.min && tokens <= bucket.max; }

Ids piece(const Ids& ids, std::size_t first, std::size_t count) {
  const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(std::min(count, ids.size() - first))};
}

std::vector<Ids> encode_all(const Corpus& corpus, const text::Tokenizer& tokenizer, Threads& threads) {
  std::vector<Ids> encoded(corpus.documents.size());
  threads.for_each(encoded.size(), [&](std::size_t d, std::size_t) {
    encoded[d] = tokenizer.encode(corpus.documents[d], text::SpecialTokens::kAdd);
  });
  return encoded;
}

/// Documents as they are, cut to at most `longest` tokens.
std::vector<Ids> natural_pieces(const Corpus& corpus, const std::vector<Ids>& encoded, std::size_t longest) {
  std::vector<Ids> pieces;
  for (const Ids& ids : encoded) {
    const std::size_t end = corpus.lines ? ids.size() : std::min(ids.size(), longest);
    for (std::size_t first = 0; first < end; first += longest) pieces.push_back(piece(ids, first, longest));
  }
  return pieces;
}

/// Consecutive lines joined until they reach the bucket's middle.
std::vector<Ids> joined_pieces(const Corpus& corpus, const std::vector<Ids>& encoded, const text::Tokenizer& tokenizer,
                               const Bucket& bucket) {
  std::vector<Ids> pieces;
  std::string text;
  std::size_t tokens = 0;
  for (std::size_t d = 0; d < encoded.size(); ++d) {
    text.append(text.empty() ? "" : "\n").append(corpus.documents[d]);
    tokens += encoded[d].size();
    if (tokens < (bucket.min + bucket.max) / 2) continue;
    pieces.push_back(piece(tokenizer.encode(text, text::SpecialTokens::kAdd), 0, bucket.max));
    text.clear();
    tokens = 0;
  }
  return pieces;
}

/// The beginnings of longer documents, of the bucket's middle length.
std::vector<Ids> beginnings(const std::vector<Ids>& encoded, const Bucket& bucket) {
  std::vector<Ids> pieces;
  for (const Ids& ids : encoded)
    if (ids.size() > bucket.max) pieces.push_back(piece(ids, 0, (bucket.min + bucket.max) / 2));
  return pieces;
}

std::vector<Ids> in_bucket(const std::vector<Ids>& pieces, const Bucket& bucket) {
  std::vector<Ids> found;
  std::ranges::copy_if(pieces, std::back_inserter(found), [&](const Ids& ids) { return holds(bucket, ids.size()); });
  return found;
}

std::vector<Ids> evenly_spaced(std::vector<Ids> all, std::size_t wanted) {
  if (all.size() <= wanted) return all;
  std::vector<Ids> chosen;
  for (std::size_t i = 0; i < wanted; ++i) chosen.push_back(std::move(all[i * all.size() / wanted]));
  return chosen;
}

}  // namespace

Result<Corpus> read_corpus(const std::filesystem::path& file, Sink& sink, std::string_view field) {
  LIEQ_ASSIGN(auto documents, text::read_documents(file, sink, field));
  if (file.extension() == ".jsonl") return Corpus{file.filename().string(), std::move(documents), false};
  Corpus corpus{file.filename().string(), {}, true};
  for (const std::string& whole : documents) {
    for (std::size_t begin = 0; begin < whole.size();) {
      const std::size_t end = std::min(whole.find('\n', begin), whole.size());
      std::string line = whole.substr(begin, end - begin);
      if (line.find_first_not_of(" \t\r\v\f") != std::string::npos) corpus.documents.push_back(std::move(line));
      begin = end + 1;
    }
  }
  return corpus;
}

Result<std::vector<Cell>> cut_passages(std::span<const Corpus> corpora, const text::Tokenizer& tokenizer,
                                       const CutOptions& options, Threads& threads, Sink& sink) {
  LIEQ_CHECK(options.per_bucket > 0 && options.longest > 0);
  std::vector<Cell> cells;
  for (const Corpus& corpus : corpora) {
    const std::vector<Ids> encoded = encode_all(corpus, tokenizer, threads);
    const std::vector<Ids> natural = natural_pieces(corpus, encoded, options.longest);
    for (Bucket bucket : kBuckets) {
      bucket.max = std::min(bucket.max, options.longest);
      std::vector<Ids> passages = in_bucket(natural, bucket);
      if (passages.size() < options.per_bucket) {
        std::vector<Ids> made = in_bucket(
            corpus.lines ? joined_pieces(corpus, encoded, tokenizer, bucket) : beginnings(encoded, bucket), bucket);
        if (made.size() > passages.size()) passages = std::move(made);
      }
      if (passages.empty()) {
        sink.warn(fmt::format("{}: found no passage of {} tokens: this corpus goes without that bucket", corpus.name,
                              bucket.name));
        continue;
      }
      cells.push_back({corpus.name, std::string(bucket.name), evenly_spaced(std::move(passages), options.per_bucket)});
    }
  }
  if (cells.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("text: found no passage of {} tokens or more, expected at least one", kBuckets[0].min));
  return cells;
}

std::vector<std::size_t> representative(std::span<const std::vector<TokenId>> passages, std::size_t count) {
  LIEQ_CHECK(!passages.empty());
  std::vector<std::size_t> lengths;
  for (const Ids& passage : passages) lengths.push_back(passage.size());
  std::ranges::sort(lengths);
  const std::size_t median = lengths[(lengths.size() - 1) / 2];
  std::vector<std::size_t> order(passages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto distance = [&](std::size_t i) {
    return passages[i].size() > median ? passages[i].size() - median : median - passages[i].size();
  };
  std::ranges::stable_sort(order, {}, distance);
  order.resize(std::min(count, order.size()));
  std::ranges::sort(order);
  return order;
}

Result<void> check_passages(const model::Model& model, std::span<const std::vector<TokenId>> passages) {
  const std::size_t vocab = model.config.vocab_size, limit = model.config.max_position_embeddings;
  for (std::size_t p = 0; p < passages.size(); ++p) {
    if (passages[p].size() < 2 || passages[p].size() > limit)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("passage {}: found {} tokens, expected 2 to {} (max_position_embeddings of {})", p,
                              passages[p].size(), limit, model.path.string()));
    for (const TokenId id : passages[p]) {
      if (id < 0 || static_cast<std::size_t>(id) >= vocab)
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("passage {}: found token id {}, expected below vocab_size = {} of {}", p, id, vocab,
                                model.path.string()));
    }
  }
  return {};
}

}  // namespace lieq::diagnose
