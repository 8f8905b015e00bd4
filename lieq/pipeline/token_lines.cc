#include "lieq/pipeline/token_lines.h"

#include <cstdint>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/base/json.h"
#include "lieq/base/utf8.h"

namespace lieq::pipeline {

using text::SpecialText;
using text::SpecialTokens;
using text::TokenId;

namespace {

/// "1 2 3" or, with --jsonl, {"ids": [1, 2, 3]}.
Result<std::vector<TokenId>> read_ids(const Line& line, const LineFormat& format) {
  const auto expected = format.jsonl ? "{\"ids\": [...]} with integers" : "token ids separated by blanks";
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: found '{}', expected {}", line.place, line.text.substr(0, 60), expected));
  };
  std::vector<TokenId> ids;
  if (format.jsonl) {
    LIEQ_ASSIGN(const Json json, parse_json(line.text, line.place));
    const Json* list = Fields(json, line.place).find("ids");
    if (!list || !list->is_array()) return wrong();
    for (const Json& id : *list) {
      if (!id.is_number_integer() || id.get<std::int64_t>() != static_cast<TokenId>(id.get<std::int64_t>()))
        return wrong();
      ids.push_back(id.get<TokenId>());
    }
    return ids;
  }
  std::istringstream stream(line.text);
  for (std::int64_t id = 0; stream >> id;) {
    if (id != static_cast<TokenId>(id)) return wrong();
    ids.push_back(static_cast<TokenId>(id));
  }
  if (!stream.eof()) return wrong();
  return ids;
}

}  // namespace

Result<std::string> decode_line(const text::Tokenizer& tokenizer, const Line& line, const LineFormat& format) {
  LIEQ_ASSIGN(const auto ids, read_ids(line, format));
  const auto limit = static_cast<TokenId>(tokenizer.vocab_size());
  for (const TokenId id : ids) {
    if (id < 0 || id >= limit)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: token id {}, expected 0 to {}", line.place, id, limit - 1));
  }
  const std::string text = tokenizer.decode(ids, format.no_special ? SpecialText::kSkip : SpecialText::kKeep);
  return format.jsonl ? Json{{"text", text}}.dump() : text;
}

Result<std::string> encode_line(const text::Tokenizer& tokenizer, const Line& line, const LineFormat& format,
                                std::size_t& replaced) {
  RepairedText repaired = repair_utf8(line.text);
  replaced += repaired.replaced;
  std::string text = std::move(repaired.text);
  if (format.jsonl) {
    LIEQ_ASSIGN(const Json json, parse_json(text, line.place));
    const Fields fields(json, line.place);
    LIEQ_ASSIGN(const auto found, fields.string("text"));
    if (!found) return fail(ErrorCode::kInvalidFormat, line.place + ": field 'text': missing, expected a string");
    text = *found;
  }
  const auto ids = tokenizer.encode(text, format.no_special ? SpecialTokens::kNone : SpecialTokens::kAdd);
  return format.jsonl ? Json{{"ids", ids}}.dump() : fmt::format("{}", fmt::join(ids, " "));
}

Result<std::string> chat_line(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat_template,
                              const Line& line) {
  LIEQ_TRY(parse_json(line.text,
                      line.place));  // its errors are better than those of the parser that keeps the order of keys
  OrderedJson json = OrderedJson::parse(line.text);
  if (!json.is_object() || !json.contains("messages") || !json["messages"].is_array())
    return fail(ErrorCode::kInvalidFormat, line.place + ": field 'messages': missing, expected a list");
  text::ChatRequest request;
  request.messages = json["messages"];
  request.tools = json.value("tools", OrderedJson());
  request.documents = json.value("documents", OrderedJson());
  request.arguments = json.value("kwargs", OrderedJson::object());
  request.add_generation_prompt = json.value("add_generation_prompt", OrderedJson(true)) != false;
  LIEQ_ASSIGN(const std::string prompt, chat_template.render(request));
  return OrderedJson{{"prompt", prompt}, {"ids", tokenizer.encode(prompt, SpecialTokens::kNone)}}.dump();
}

}  // namespace lieq::pipeline
