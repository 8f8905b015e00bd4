/// Small cases whose answers the `tokenizers` package gave (tests/data/make_reference_cases.py).

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "lieq/text/pretokenize.h"
#include "lieq/text/stream_decoder.h"
#include "tests/text/small.h"
#include "tests/support/paths.h"

namespace lieq::text {
namespace {

Json cases(const char* name) {
  return read_json(test::data_dir() / name).value();
}

MatchPolicy policy(const Json& one) {
  using enum MatchPolicy::Behavior;
  const std::map<std::string, MatchPolicy::Behavior> behaviors = {
      {"Isolated", kIsolated},
      {"Removed", kRemoved},
      {"MergedWithPrevious", kMergedWithPrevious},
      {"MergedWithNext", kMergedWithNext},
      {"Contiguous", kContiguous}};
  return {behaviors.at(one["behavior"].get<std::string>()), one["invert"].get<bool>()};
}

/// Constructs of Oniguruma that are refused rather than read another way.
const std::set<std::string> kRefused = {
    "\\141",   "(?~g)", "(?y{g})\\X",      "a{2,1}",       "\\M-a", "\\cA", "(?W:\\w)", "a(?i)b|c", "[[:punct:]]+",
    "\\p{Punct}+", "(*FAIL)", "(?x:_a_)", "\\p{InBasic_Latin}"};

TEST(ReferenceSplits, AreTheSame) {
  std::size_t compared = 0;
  for (const Json& one : cases("reference_splits.json")) {
    SCOPED_TRACE(one.dump().substr(0, 120));
    const auto splitter = one.contains("regex")
                              ? regex_splitter(one["regex"].get<std::string>(), policy(one), "t")
                              : Result<std::unique_ptr<Splitter>>(text_splitter(one["string"], policy(one)));
    const bool refused = one.contains("regex") && kRefused.contains(one["regex"].get<std::string>());
    EXPECT_TRUE(splitter || refused || one["pieces"].is_null()) << splitter.error().message;
    if (!splitter || one["pieces"].is_null()) continue;
    EXPECT_FALSE(refused);
    const auto text = one["text"].get<std::string>();
    std::vector<std::string> pieces;
    for (std::size_t begin = 0; begin < text.size();) {
      const auto piece = (*splitter)->next(text, begin);
      if (piece.keep) pieces.push_back(text.substr(begin, piece.end - begin));
      begin = piece.end;
    }
    EXPECT_EQ(pieces, one["pieces"].get<std::vector<std::string>>());
    ++compared;
  }
  EXPECT_GE(compared, 300U);
}

TEST(ReferenceTokenizers, GiveTheSameIdsAndText) {
  for (const Json& one : cases("reference_tokenizers.json")) {
    const auto tokenizer = load_json(one["json"]);
    ASSERT_TRUE(tokenizer) << one["name"] << ": " << tokenizer.error().message;
    for (const Json& result : one["results"]) {
      SCOPED_TRACE(one["name"].get<std::string>() + ": " + result["text"].dump());
      const auto ids = result["ids"].get<std::vector<TokenId>>();
      const auto decoded = result["decoded"].get<std::string>();
      EXPECT_EQ(tokenizer->encode(result["text"].get<std::string>(), SpecialTokens::kNone), ids);
      EXPECT_EQ(tokenizer->decode(ids, SpecialText::kKeep), decoded);
      StreamDecoder stream(*tokenizer, SpecialText::kKeep);
      std::string streamed;
      for (const TokenId id : ids) streamed += stream.add(id);
      EXPECT_EQ(streamed + stream.finish(), decoded);
    }
  }
}

}  // namespace
}  // namespace lieq::text
