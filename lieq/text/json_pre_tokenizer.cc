/// The pre-tokenizer and the post-processor of tokenizer.json.

#include <algorithm>
#include <utility>

#include "lieq/base/message.h"
#include "lieq/text/json_parts.h"

namespace lieq::text {
namespace {

/// Reads the steps in order; ByteLevel ends them, since after it text is no longer text.
class PreTokenizerReader {
 public:
  Result<void> add(const Json& json, const std::string& place) {
    const auto component = Component::open(json, place);
    if (!component) return Unexpected(component.error());
    return add(*component, place);
  }

  PreTokenizer take() {
    out_.name = name_.empty() ? "no pattern" : name_;
    return std::move(out_);
  }

 private:
  Result<void> add(const Component& component, const std::string& place) {
    if (component.type() == "Sequence") {
      LIEQ_TRY(component.only({"pretokenizers"}));
      LIEQ_ASSIGN(const Json* list, component.list("pretokenizers"));
      for (std::size_t i = 0; i < list->size(); ++i)
        LIEQ_TRY(add((*list)[i], place + ".pretokenizers[" + std::to_string(i) + "]"));
      return {};
    }
    if (out_.byte_level)
      return fail(ErrorCode::kUnsupported,
                  place + ": type " + in_quotes(component.type()) + " after ByteLevel is not supported");
    if (component.type() == "ByteLevel") return byte_level(component);
    if (component.type() == "Digits") return digits(component);
    if (component.type() == "Split") return split(component);
    if (component.type() == "Metaspace") return metaspace(component);
    return component.unsupported("ByteLevel, Digits, Metaspace, Split or Sequence");
  }

  void step(std::unique_ptr<Splitter> splitter, std::string_view name) {
    out_.steps.push_back(std::move(splitter));
    name_.append(name_.empty() ? "" : ", then ").append(name);
  }

  Result<void> byte_level(const Component& component) {
    LIEQ_TRY(component.only({"add_prefix_space", "trim_offsets", "use_regex"}));
    LIEQ_ASSIGN(out_.prefix_space, component.flag("add_prefix_space", true));
    LIEQ_ASSIGN(const bool use_regex, component.flag("use_regex", true));
    if (out_.metaspace) return component.unsupported("no ByteLevel after Metaspace");
    out_.byte_level = true;
    out_.prefix_step = out_.steps.size();
    if (use_regex) step(known_splitter(kGpt2Pattern.regex), kGpt2Pattern.name);
    return {};
  }

  Result<void> digits(const Component& component) {
    LIEQ_TRY(component.only({"individual_digits"}));
    LIEQ_ASSIGN(const bool individual, component.flag("individual_digits", false));
    step(digit_splitter(individual), individual ? "single digits" : "numbers apart");
    return {};
  }

  Result<void> metaspace(const Component& component) {
    if (out_.metaspace) return component.unsupported("one Metaspace");
    LIEQ_ASSIGN(out_.metaspace, read_metaspace(component));
    LIEQ_ASSIGN(const bool split, component.flag("split", true));
    out_.prefix_step = out_.steps.size();
    using enum MatchPolicy::Behavior;
    if (split) step(text_splitter(out_.metaspace->replacement, {kMergedWithNext}), "words");
    return {};
  }

  Result<void> split(const Component& component) {
    LIEQ_TRY(component.only({"pattern", "behavior", "invert"}));
    const Json* pattern = component.fields().find("pattern");
    const std::string place = component.place() + ".pattern";
    if (pattern == nullptr || !pattern->is_object() || pattern->size() != 1 || !pattern->begin()->is_string() ||
        pattern->begin()->get<std::string>().empty())
      return fail(ErrorCode::kInvalidFormat, place + ": expected {\"Regex\": ...} or {\"String\": ...}");
    LIEQ_ASSIGN(const std::string behavior, component.text("behavior"));
    MatchPolicy policy;
    LIEQ_ASSIGN(policy.invert, component.flag("invert", false));
    using enum MatchPolicy::Behavior;
    constexpr std::pair<std::string_view, MatchPolicy::Behavior> kBehaviors[] = {
        {"Isolated", kIsolated},
        {"Removed", kRemoved},
        {"MergedWithPrevious", kMergedWithPrevious},
        {"MergedWithNext", kMergedWithNext},
        {"Contiguous", kContiguous}};
    const auto* named = std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                                     [&](const auto& one) { return one.first == behavior; });
    if (named == std::end(kBehaviors))
      return fail(ErrorCode::kUnsupported, component.place() + ".behavior: " + in_quotes(behavior) +
                                               " is not supported, expected Isolated, Removed, MergedWithPrevious, "
                                               "MergedWithNext or Contiguous");
    policy.behavior = named->second;
    const std::string kind = pattern->begin().key(), text = pattern->begin()->get<std::string>();
    if (kind == "String") {
      step(text_splitter(text, policy), "a text");
    } else if (kind == "Regex") {
      LIEQ_TRY(regex(text, policy, place));
    } else {
      return fail(ErrorCode::kUnsupported, place + ": only {\"Regex\": ...} and {\"String\": ...} are supported");
    }
    return {};
  }

  Result<void> regex(const std::string& text, MatchPolicy policy, const std::string& place) {
    // The known patterns match all of a text, so that keeping the matches and isolating them is the same.
    using enum MatchPolicy::Behavior;
    const bool whole = policy.behavior == kIsolated || (policy.behavior == kRemoved && policy.invert);
    auto known = whole ? known_splitter(text) : nullptr;
    if (known != nullptr) {
      for (const KnownPattern& named : {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern})
        if (named.regex == text) step(std::move(known), named.name);
      return {};
    }
    LIEQ_ASSIGN(auto splitter, regex_splitter(text, policy, place));
    step(std::move(splitter), "a pattern of its own");
    return {};
  }

  PreTokenizer out_;
  std::string name_;
};

/// One piece of a template: the text, or ids.
class TemplateReader {
 public:
  TemplateReader(const Component& component, const Vocabulary& vocabulary)
      : component_(component), vocabulary_(vocabulary) {}

  Result<Template> read() {
    LIEQ_TRY(component_.only({"single", "pair", "special_tokens"}));  // `pair` is for two texts, which we never encode
    LIEQ_ASSIGN(const Json* single, component_.list("single"));
    for (std::size_t i = 0; i < single->size(); ++i)
      LIEQ_TRY(piece((*single)[i], component_.place() + ".single[" + std::to_string(i) + "]"));
    if (!seen_text_)
      return fail(ErrorCode::kInvalidFormat, component_.place() + ".single: expected {\"Sequence\": {\"id\": \"A\"}}");
    return std::move(out_);
  }

 private:
  Result<void> piece(const Json& json, const std::string& place) {
    const auto wrong = [&] {
      return fail(ErrorCode::kUnsupported, place + ": found " + json.dump(-1, ' ', true).substr(0, 60) +
                                               ", expected a SpecialToken or, once, the Sequence A");
    };
    if (!json.is_object() || json.size() != 1) return wrong();
    const std::string name = json.begin().key();
    const Json& body = json.begin().value();
    if (!body.is_object() || !body.contains("id") || !body["id"].is_string()) return wrong();
    const std::string id = body["id"].get<std::string>();
    if (name == "SpecialToken") return special(id, place);
    if (name != "Sequence" || id != "A" || seen_text_) return wrong();
    seen_text_ = true;
    return {};
  }

  Result<void> special(const std::string& id, const std::string& place) {
    const Json* all = component_.fields().find("special_tokens");
    const Json* token = all != nullptr && all->is_object() && all->contains(id) ? &(*all)[id] : nullptr;
    if (token == nullptr)
      return fail(ErrorCode::kInvalidFormat, place + ": token " + in_quotes(id) + " is not among special_tokens");
    const Fields fields(*token, component_.place() + ".special_tokens[" + in_quotes(id) + "]");
    LIEQ_ASSIGN(const auto ids, fields.counts("ids"));
    if (ids.empty()) return fail(ErrorCode::kInvalidFormat, place + ": token " + in_quotes(id) + " has no ids");
    for (const std::uint64_t one : ids) {
      if (one >= vocabulary_.size() || !vocabulary_.contains(static_cast<TokenId>(one)))
        return fail(ErrorCode::kInvalidFormat, place + ": token " + in_quotes(id) + " has id " + std::to_string(one) +
                                                   ", which is not in the vocabulary");
      (seen_text_ ? out_.after : out_.before).push_back(static_cast<TokenId>(one));
    }
    return {};
  }

  const Component& component_;
  const Vocabulary& vocabulary_;
  Template out_;
  bool seen_text_ = false;
};

/// Ids that a processor puts around those of the ones before it.
Result<Template> read_processor(const Json& json, const Vocabulary& vocabulary, const std::string& place) {
  LIEQ_ASSIGN(const Component component, Component::open(json, place));
  if (component.type() == "ByteLevel") {
    LIEQ_TRY(component.only({"add_prefix_space", "trim_offsets", "use_regex"}));  // moves offsets, adds no ids
    return Template{};
  }
  if (component.type() == "TemplateProcessing") return TemplateReader(component, vocabulary).read();
  if (component.type() != "Sequence") return component.unsupported("ByteLevel, TemplateProcessing or Sequence");
  LIEQ_TRY(component.only({"processors"}));
  LIEQ_ASSIGN(const Json* list, component.list("processors"));
  Template all;
  for (std::size_t i = 0; i < list->size(); ++i) {
    LIEQ_ASSIGN(const Template outer,
                read_processor((*list)[i], vocabulary, place + ".processors[" + std::to_string(i) + "]"));
    all.before.insert(all.before.begin(), outer.before.begin(), outer.before.end());
    all.after.insert(all.after.end(), outer.after.begin(), outer.after.end());
  }
  return all;
}

}  // namespace

Result<PreTokenizer> read_pre_tokenizer(const Json* json, const std::string& file) {
  PreTokenizerReader reader;
  if (json != nullptr) LIEQ_TRY(reader.add(*json, file + ": pre_tokenizer"));
  return reader.take();
}

Result<Template> read_post_processor(const Json* json, const Vocabulary& vocabulary, const std::string& file) {
  if (json == nullptr) return Template{};
  return read_processor(*json, vocabulary, file + ": post_processor");
}

}  // namespace lieq::text
