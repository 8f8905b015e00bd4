#include "lieq/text/json_parts.h"

#include <algorithm>

#include "lieq/base/message.h"

namespace lieq::text {
namespace {

/// {"String": "x"}; anything else is refused.
Result<std::string> string_pattern(const Component& component) {
  const Json* pattern = component.fields().find("pattern");
  const std::string place = component.place() + ".pattern";
  if (pattern == nullptr) return fail(ErrorCode::kInvalidFormat, place + ": missing, expected {\"String\": ...}");
  if (!pattern->is_object() || pattern->size() != 1 || !pattern->contains("String") ||
      !(*pattern)["String"].is_string())
    return fail(ErrorCode::kUnsupported, place + ": found " + pattern->dump(-1, ' ', true).substr(0, 60) +
                                             ", only {\"String\": ...} is supported here");
  std::string text = (*pattern)["String"].get<std::string>();
  if (text.empty()) return fail(ErrorCode::kInvalidFormat, place + ": found an empty string, expected a text");
  return text;
}

Result<void> add_normalizer(const Json& json, const std::string& place, Normalizer& out) {
  LIEQ_ASSIGN(const Component component, Component::open(json, place));
  if (component.type() == "NFC") {
    LIEQ_TRY(component.only({}));
    out.steps.push_back({NormalizerStep::Kind::kNfc, "", ""});
  } else if (component.type() == "Prepend") {
    LIEQ_TRY(component.only({"prepend"}));
    LIEQ_ASSIGN(std::string front, component.text("prepend"));
    out.steps.push_back({NormalizerStep::Kind::kPrepend, "", std::move(front)});
  } else if (component.type() == "Replace") {
    LIEQ_TRY(component.only({"pattern", "content"}));
    LIEQ_ASSIGN(std::string from, string_pattern(component));
    LIEQ_ASSIGN(std::string to, component.text("content"));
    out.steps.push_back({NormalizerStep::Kind::kReplace, std::move(from), std::move(to)});
  } else if (component.type() == "Sequence") {
    LIEQ_TRY(component.only({"normalizers"}));
    LIEQ_ASSIGN(const Json* list, component.list("normalizers"));
    for (std::size_t i = 0; i < list->size(); ++i)
      LIEQ_TRY(add_normalizer((*list)[i], place + ".normalizers[" + std::to_string(i) + "]", out));
  } else {
    return component.unsupported("NFC, Prepend, Replace or Sequence");
  }
  return {};
}

Result<void> add_decoder(const Json& json, const std::string& place, Decoder& out) {
  LIEQ_ASSIGN(const Component component, Component::open(json, place));
  DecoderStep step;
  if (component.type() == "ByteLevel") {
    LIEQ_TRY(component.only({"add_prefix_space", "trim_offsets", "use_regex"}));  // of no effect when decoding
    step.kind = DecoderStep::Kind::kByteLevel;
  } else if (component.type() == "ByteFallback") {
    LIEQ_TRY(component.only({}));
    step.kind = DecoderStep::Kind::kByteFallback;
  } else if (component.type() == "Fuse") {
    LIEQ_TRY(component.only({}));
    step.kind = DecoderStep::Kind::kFuse;
  } else if (component.type() == "Replace") {
    LIEQ_TRY(component.only({"pattern", "content"}));
    step.kind = DecoderStep::Kind::kReplace;
    LIEQ_ASSIGN(step.from, string_pattern(component));
    LIEQ_ASSIGN(step.to, component.text("content"));
  } else if (component.type() == "Strip") {
    LIEQ_TRY(component.only({"content", "start", "stop"}));
    step.kind = DecoderStep::Kind::kStrip;
    LIEQ_ASSIGN(const std::string content, component.text("content"));
    const CodePoint point = content.empty() ? CodePoint{} : decode_utf8(content, 0);
    if (!point.valid || point.bytes != content.size())
      return fail(ErrorCode::kInvalidFormat,
                  place + ".content: found " + in_quotes(content) + ", expected one character");
    step.strip = point.value;
    LIEQ_ASSIGN(step.start, component.fields().required_count("start"));
    LIEQ_ASSIGN(step.stop, component.fields().required_count("stop"));
  } else if (component.type() == "Metaspace") {
    LIEQ_ASSIGN(const Metaspace metaspace, read_metaspace(component));
    step.kind = DecoderStep::Kind::kMetaspace;
    step.from = metaspace.replacement;
    step.start = metaspace.prepend == Metaspace::Prepend::kNever ? 0 : 1;
  } else if (component.type() == "Sequence") {
    LIEQ_TRY(component.only({"decoders"}));
    LIEQ_ASSIGN(const Json* list, component.list("decoders"));
    for (std::size_t i = 0; i < list->size(); ++i)
      LIEQ_TRY(add_decoder((*list)[i], place + ".decoders[" + std::to_string(i) + "]", out));
    return {};
  } else {
    return component.unsupported("ByteLevel, ByteFallback, Fuse, Metaspace, Replace, Strip or Sequence");
  }
  out.steps.push_back(std::move(step));
  return {};
}

}  // namespace

Result<Metaspace> read_metaspace(const Component& component) {
  LIEQ_TRY(component.only({"replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"}));
  Metaspace metaspace;
  LIEQ_ASSIGN(const auto replacement, component.fields().string("replacement"));
  if (replacement) metaspace.replacement = *replacement;
  const CodePoint point = metaspace.replacement.empty() ? CodePoint{} : decode_utf8(metaspace.replacement, 0);
  if (!point.valid || point.bytes != metaspace.replacement.size())
    return fail(ErrorCode::kInvalidFormat, component.place() + ": field 'replacement': found " +
                                               in_quotes(metaspace.replacement) + ", expected one character");
  LIEQ_ASSIGN(const auto scheme, component.fields().string("prepend_scheme"));
  LIEQ_ASSIGN(const bool prefix, component.flag("add_prefix_space", true));  // of older files
  using enum Metaspace::Prepend;
  if (scheme == "never" || (!scheme && !prefix)) {
    metaspace.prepend = kNever;
  } else if (scheme == "first") {
    metaspace.prepend = kFirst;
  } else if (scheme && *scheme != "always") {
    return fail(ErrorCode::kUnsupported, component.place() + ": field 'prepend_scheme': found " + in_quotes(*scheme) +
                                             ", expected always, first or never");
  }
  return metaspace;
}

Result<Component> Component::open(const Json& json, const std::string& place) {
  if (!json.is_object())
    return fail(ErrorCode::kInvalidFormat, place + ": found " + brief(json) + ", expected an object");
  LIEQ_ASSIGN(auto type, Fields(json, place).string("type"));
  if (!type) return fail(ErrorCode::kInvalidFormat, place + ": field 'type': missing, expected a string");
  return Component(json, place, std::move(*type));
}

Result<void> Component::only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : json_.items())
    if (key != "type" && std::find(known.begin(), known.end(), key) == known.end())
      return fail(ErrorCode::kUnsupported,
                  place() + ": field " + in_quotes(key) + " of type " + in_quotes(type_) + " is not supported");
  return {};
}

Result<bool> Component::flag(std::string_view key, bool fallback) const {
  LIEQ_ASSIGN(const auto value, fields_.boolean(key));
  return value.value_or(fallback);
}

Result<std::string> Component::text(std::string_view key) const {
  LIEQ_ASSIGN(auto value, fields_.string(key));
  if (!value)
    return fail(ErrorCode::kInvalidFormat, place() + ": field " + in_quotes(key) + ": missing, expected a string");
  return std::move(*value);
}

Result<const Json*> Component::list(std::string_view key) const {
  const Json* value = fields_.find(key);
  if (value == nullptr || !value->is_array())
    return fail(ErrorCode::kInvalidFormat, place() + ": field " + in_quotes(key) + ": found " +
                                               (value == nullptr ? "nothing" : brief(*value)) + ", expected a list");
  return value;
}

Unexpected Component::unsupported(std::string_view expected) const {
  return fail(ErrorCode::kUnsupported,
              place() + ": type " + in_quotes(type_) + " is not supported, expected " + std::string(expected));
}

Result<Normalizer> read_normalizer(const Json* json, const std::string& file) {
  Normalizer normalizer;
  if (json != nullptr) LIEQ_TRY(add_normalizer(*json, file + ": normalizer", normalizer));
  return normalizer;
}

Result<Decoder> read_decoder(const Json* json, const std::string& file) {
  Decoder decoder;
  if (json == nullptr) {
    decoder.joint = " ";  // what the reference does without one
  } else {
    LIEQ_TRY(add_decoder(*json, file + ": decoder", decoder));
  }
  return decoder;
}

Result<AddedToken> read_added_token(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  AddedToken token;
  LIEQ_ASSIGN(auto content, fields.string("content"));
  if (!content || content->empty())
    return fail(ErrorCode::kInvalidFormat, place + ": field 'content': found nothing, expected a text");
  token.content = std::move(*content);
  const auto flag = [&](std::string_view key, bool& into, bool fallback) -> Result<void> {
    LIEQ_ASSIGN(const auto value, fields.boolean(key));
    into = value.value_or(fallback);
    return {};
  };
  LIEQ_TRY(flag("special", token.special, false));
  LIEQ_TRY(flag("single_word", token.single_word, false));
  LIEQ_TRY(flag("lstrip", token.lstrip, false));
  LIEQ_TRY(flag("rstrip", token.rstrip, false));
  LIEQ_TRY(flag("normalized", token.normalized, !token.special));
  return token;
}

Result<std::vector<AddedToken>> read_added_tokens(const Json* json, const std::string& file) {
  std::vector<AddedToken> tokens;
  if (json == nullptr) return tokens;
  if (!json->is_array())
    return fail(ErrorCode::kInvalidFormat, file + ": added_tokens: found " + brief(*json) + ", expected a list");
  for (std::size_t i = 0; i < json->size(); ++i) {
    const Json& entry = (*json)[i];
    const std::string place = file + ": added_tokens[" + std::to_string(i) + "]";
    LIEQ_ASSIGN(const std::uint64_t id, Fields(entry, place).required_count("id"));
    if (id > static_cast<std::uint64_t>(Vocabulary::kMaxId))
      return fail(ErrorCode::kInvalidFormat, place + ": field 'id': found " + std::to_string(id) +
                                                 ", expected at most " + std::to_string(Vocabulary::kMaxId));
    LIEQ_ASSIGN(AddedToken token, read_added_token(entry, place));
    token.id = static_cast<TokenId>(id);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace lieq::text
