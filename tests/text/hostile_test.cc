/// tests/data/hostile/tokenizer_*.json (written by make_hostile.py): each must give its error, on one line.

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "lieq/text/tokenizer.h"
#include "tests/support/paths.h"

namespace lieq::text {
namespace {

const std::filesystem::path kHostile = test::data_dir() / "hostile";

struct Expected {
  const char* lie;
  const char* says;
  ErrorCode code = ErrorCode::kInvalidFormat;
};

constexpr ErrorCode kNo = ErrorCode::kUnsupported;

constexpr Expected kExpected[] = {
    {"no_model", "field 'model': missing"},
    {"model_null", "field 'model': missing"},
    {"model_string", "model: found \"BPE\", expected an object"},
    {"model_type_number", "model: field 'type': found 7, expected a string"},
    {"model_wordpiece", "model: type 'WordPiece' is not supported", kNo},
    {"model_unigram", "model: type 'Unigram' is not supported", kNo},
    {"model_unknown_field", "field 'max_input_chars_per_word'", kNo},
    {"no_vocab", "model: field 'vocab': missing"},
    {"vocab_list", "model: field 'vocab': found a list of 2, expected an object of ids"},
    {"vocab_id_string", "field 'model.vocab': found \"0\" for 'a', expected an id"},
    {"vocab_id_fraction", "found 0.5 for 'a', expected an id"},
    {"vocab_id_list", "found a list for 'a', expected an id"},
    {"vocab_id_twice", "token 'b' has id 0, which token 'a' has already"},
    {"vocab_id_negative", "token 'b' has id -1, expected 0 to 2097151"},
    {"vocab_id_huge", "token 'b' has id 2147483648, expected 0 to 2097151"},
    {"vocab_id_2_64", "token 'b' has id 9223372036854775807"},
    {"no_merges", "model: field 'merges': missing"},
    {"merges_object", "model: field 'merges': found an object, expected a list"},
    {"merge_number", "field 'model.merges': found 1, expected pairs of strings"},
    {"merge_object", "field 'model.merges': found an object"},
    {"merge_no_blank", "field 'model.merges': found 'ab', expected two tokens with one blank between"},
    {"merge_two_blanks", "field 'model.merges': found 'a b c'"},
    {"merge_triple", "field 'model.merges': found a list of 3, expected pairs"},
    {"merge_pair_of_numbers", "field 'model.merges': found 1, expected pairs"},
    {"merge_nested", "field 'model.merges': found a list, expected pairs"},
    {"merge_empty_side", "field 'model.merges[0]': '' and 'b': found an empty side"},
    {"merge_unknown_part", "field 'model.merges[0]': 'a' and 'c': the second is not in the vocabulary"},
    {"merge_unknown_product", "field 'model.merges[0]': 'b' and 'a': the product is not in the vocabulary"},
    {"merge_twice", "field 'model.merges': 'a' and 'b' are merged twice"},
    {"merge_control_characters", "'a\\x0a' and '\\x1b[31m'"},
    {"dropout", "field 'dropout': only null or 0", kNo},
    {"prefix", "field 'continuing_subword_prefix': found '##'", kNo},
    {"suffix", "field 'end_of_word_suffix': found '</w>'", kNo},
    {"unk_unknown", "field 'unk_token': '<unk>' is not in the vocabulary"},
    {"unk_number", "field 'unk_token': found 0, expected a string"},
    {"fuse_unk_number", "field 'fuse_unk': found 1, expected true or false"},
    {"byte_fallback_with_byte_level", "true with ByteLevel", kNo},
    {"version_2", "field 'version': found '2.0', expected '1.0'", kNo},
    {"unknown_top_field", "field 'extra' is not supported", kNo},
    {"added_object", "added_tokens: found an object, expected a list"},
    {"added_string", "added_tokens[0]: field 'id': missing"},
    {"added_no_id", "added_tokens[0]: field 'id': missing"},
    {"added_id_negative", "added_tokens[0]: field 'id': found -5"},
    {"added_id_huge", "added_tokens[0]: field 'id': found 1000000000000"},
    {"added_id_taken", "token '<|end|>' has id 0, which token 'a' has already"},
    {"added_id_differs", "token 'ab' has id 5, and in model.vocab 2"},
    {"added_content_empty", "added_tokens[0]: field 'content'"},
    {"added_content_number", "added_tokens[0]: field 'content': found 5"},
    {"added_flag_string", "added_tokens[0]: field 'lstrip': found \"yes\""},
    {"normalizer_lowercase", "normalizer: type 'Lowercase' is not supported", kNo},
    {"normalizer_list", "normalizer: found a list of 0, expected an object"},
    {"normalizer_in_sequence", "normalizer.normalizers[1]: type 'NFKD' is not supported", kNo},
    {"normalizer_regex", "normalizer.pattern: found {\"Regex\":\"a\"}", kNo},
    {"normalizer_empty_pattern", "normalizer.pattern: found an empty string"},
    {"normalizer_extra", "normalizer: field 'form'", kNo},
    {"pre_tokenizer_after_byte_level", "pre_tokenizer.pretokenizers[1]: type 'Split' after ByteLevel", kNo},
    {"pre_tokenizer_no_list", "pre_tokenizer: field 'pretokenizers': found nothing, expected a list"},
    {"split_no_pattern", "pre_tokenizer.pattern: expected"},
    {"split_bad_regex", "pre_tokenizer.pattern: not a regular expression, at offset 3"},
    {"post_processor_bert", "post_processor: type 'BertProcessing' is not supported", kNo},
    {"template_no_text", "post_processor.single: expected"},
    {"template_text_twice", "post_processor.single[1]: found", kNo},
    {"template_text_b", "post_processor.single[0]: found", kNo},
    {"template_unknown_token", "token '<|end|>' is not among special_tokens"},
    {"template_id_unknown", "token '<|end|>' has id 6, which is not in the vocabulary"},
    {"template_ids_string", "post_processor.special_tokens['<|end|>']: field 'ids': found \"5\""},
    {"decoder_wordpiece", "decoder: type 'WordPiece' is not supported", kNo},
    {"decoder_strip_two_characters", "decoder.content: found 'ab', expected one character"},
    {"decoder_string", "decoder: found \"ByteLevel\", expected an object"},
    {"empty", "empty"},
    {"not_json", "not valid JSON"},
    {"cut_short", "not valid JSON"},
    {"list", "found a list of 2, expected an object"},
    {"number", "found 3, expected an object"},
    {"deep_lists", "nested deeper than 100"},
    {"deep_objects", "nested deeper than 100"},
    {"deep_in_vocab", "nested deeper than 100"},
    {"key_twice", "key 'version' appears twice"},
    {"token_twice", "token 'b' has the ids 1 and 9"},
    {"bad_utf8", "not valid JSON"},
    {"lone_surrogate", "not valid JSON"},
};

class HostileTokenizer : public testing::TestWithParam<Expected> {};

TEST_P(HostileTokenizer, GivesItsError) {
  const Expected& expected = GetParam();
  const auto file = kHostile / ("tokenizer_" + std::string(expected.lie) + ".json");
  const auto tokenizer = Tokenizer::load(file);
  ASSERT_FALSE(tokenizer) << "was loaded";
  const std::string& message = tokenizer.error().message;
  EXPECT_EQ(message.rfind(file.string() + ": ", 0), 0U) << message;
  EXPECT_NE(message.find(expected.says), std::string::npos) << message;
  EXPECT_EQ(message.find_first_of("\n\r\x1b"), std::string::npos) << message;
  EXPECT_LT(message.size(), file.string().size() + 400) << message;
  EXPECT_EQ(tokenizer.error().code, expected.code) << message;
}

INSTANTIATE_TEST_SUITE_P(Files, HostileTokenizer, testing::ValuesIn(kExpected),
                         [](const auto& test) { return std::string(test.param.lie); });

TEST(HostileTokenizerList, IsComplete) {
  std::set<std::string> listed;
  for (const Expected& expected : kExpected) listed.insert("tokenizer_" + std::string(expected.lie) + ".json");
  for (const auto& entry : std::filesystem::directory_iterator(kHostile)) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(!name.starts_with("tokenizer_") || listed.contains(name)) << name;
  }
}

TEST(LoadTokenizer, NothingThere) {
  EXPECT_EQ(Tokenizer::load(kHostile / "none.json").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Tokenizer::load(kHostile).error().code, ErrorCode::kNotFound);  // a folder without tokenizer.json
}

}  // namespace
}  // namespace lieq::text
