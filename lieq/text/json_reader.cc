#include "lieq/text/json_reader.h"

#include <limits>

#include "lieq/base/message.h"

namespace lieq::text {
namespace {

constexpr std::size_t kMaxDepth = 100;

/// Events of nlohmann's parser. Values go into a tree, but for the entries of model.vocab and model.merges.
class TreeReader {
 public:
  explicit TreeReader(TokenizerJson& out) : out_(out) {}

  std::string error;

  bool null() { return value(nullptr); }
  bool boolean(bool v) { return value(v); }
  bool number_integer(Json::number_integer_t v) { return number(v, Json(v)); }
  bool number_unsigned(Json::number_unsigned_t v) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return number(static_cast<std::int64_t>(v < kMost ? v : kMost), Json(v));
  }
  bool number_float(Json::number_float_t v, const std::string&) { return value(v); }
  bool binary(Json::binary_t&) { return false; }

  bool string(std::string& v) {
    if (in_merges() && depth_ == merge_depth_) return merge_string(v);
    if (in_merges() && depth_ == merge_depth_ + 1) {
      pair_.push_back(std::move(v));
      return true;
    }
    return value(std::move(v));
  }

  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) {
    if (in_merges() && depth_ == merge_depth_) {
      pair_.clear();
      ++depth_;
      return true;
    }
    return open(Json::array());
  }

  bool key(std::string& v) {
    key_ = std::move(v);
    if (in_vocab() && depth_ == vocab_depth_) return true;  // Vocabulary finds doubles
    if (skipped_ == 0 && stack_.back()->contains(key_)) {
      error = "key " + in_quotes(key_) + " appears twice, expected once";
      return false;
    }
    return true;
  }

  bool end_object() { return close(); }
  bool end_array() {
    if (in_merges() && depth_ == merge_depth_ + 1 && skipped_ == 0) {
      --depth_;
      if (pair_.size() != 2) return fault("merges", "a list of " + std::to_string(pair_.size()), "pairs of strings");
      out_.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
      return true;
    }
    return close();
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& exception) {
    const std::string text = exception.what();
    const std::size_t end = text.find("] ");
    error = "not valid JSON: " + printable(end == std::string::npos ? text : text.substr(end + 2), 200);
    return false;
  }

 private:
  [[nodiscard]] bool in_vocab() const { return vocab_depth_ != 0 && skipped_ == 0; }
  [[nodiscard]] bool in_merges() const { return merge_depth_ != 0 && skipped_ == 0; }

  bool fault(const std::string& field, const std::string& found, const std::string& expected) {
    if (out_.fault.empty()) out_.fault = "field 'model." + field + "': found " + found + ", expected " + expected;
    return true;
  }

  bool merge_string(std::string& v) {
    const std::size_t blank = v.find(' ');
    if (blank == std::string::npos || v.find(' ', blank + 1) != std::string::npos)
      return fault("merges", in_quotes(v), "two tokens with one blank between");
    out_.merges.emplace_back(v.substr(0, blank), v.substr(blank + 1));
    return true;
  }

  bool number(std::int64_t v, Json&& json) {
    if (!in_vocab() || depth_ != vocab_depth_) return value(std::move(json));
    out_.vocab.push_back({std::move(key_), v});
    return true;
  }

  /// Whether a value here belongs to one of the long lists, where it is of the wrong kind.
  bool misplaced(const Json& v) {
    if (skipped_ != 0) return true;
    const std::string found = v.is_array() ? "a list" : brief(v);  // whose length is not known yet
    if (in_vocab() && depth_ == vocab_depth_) return fault("vocab", found + " for " + in_quotes(key_), "an id");
    if (in_merges()) return fault("merges", found, "pairs of strings");
    return false;
  }

  bool value(Json&& v) {
    if (!misplaced(v)) place(std::move(v));
    return true;
  }

  Json* place(Json&& v) {
    if (stack_.empty()) return &(out_.rest = std::move(v));
    if (stack_.back()->is_object()) return &((*stack_.back())[key_] = std::move(v));
    stack_.back()->push_back(std::move(v));
    return &stack_.back()->back();
  }

  bool open(Json&& v) {
    if (depth_ == kMaxDepth) {
      error = "nested deeper than " + std::to_string(kMaxDepth);
      return false;
    }
    const bool skip = misplaced(v);
    ++depth_;
    if (skip) {
      ++skipped_;
      return true;
    }
    if (depth_ == 2 && key_ == "model") model_open_ = true;
    if (depth_ == 3 && model_open_ && key_ == "vocab" && v.is_object()) {
      vocab_depth_ = depth_;
      out_.has_vocab = true;
    }
    if (depth_ == 3 && model_open_ && key_ == "merges" && v.is_array()) {
      merge_depth_ = depth_;
      out_.has_merges = true;
    }
    stack_.push_back(place(std::move(v)));
    return true;
  }

  bool close() {
    if (skipped_ != 0) {
      --skipped_;
      --depth_;
      return true;
    }
    if (depth_ == vocab_depth_) vocab_depth_ = 0;
    if (depth_ == merge_depth_) merge_depth_ = 0;
    if (depth_ == 2) model_open_ = false;
    --depth_;
    stack_.pop_back();
    return true;
  }

  TokenizerJson& out_;
  std::vector<Json*> stack_;            // open values that are in the tree
  std::string key_;
  std::vector<std::string> pair_;       // the merge being read
  std::size_t depth_ = 0, vocab_depth_ = 0, merge_depth_ = 0;
  std::size_t skipped_ = 0;             // open values inside a list where they do not belong
  bool model_open_ = false;
};

}  // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view text, const std::string& place) {
  TokenizerJson json;
  TreeReader reader(json);
  if (!Json::sax_parse(text.begin(), text.end(), &reader))
    return fail(ErrorCode::kInvalidFormat, place + ": " + reader.error);
  return json;
}

}  // namespace lieq::text
