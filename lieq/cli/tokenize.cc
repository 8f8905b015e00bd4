#include <fstream>
#include <iostream>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/cli/command.h"
#include "lieq/cli/console.h"
#include "lieq/hub/pull.h"
#include "lieq/text/chat_template.h"
#include "lieq/text/tokenizer.h"
#include "lieq/base/utf8.h"

namespace lieq::cli {
namespace {

using text::SpecialText;
using text::SpecialTokens;
using text::TokenId;

struct Options {
  std::string model, input;
  bool jsonl = false, no_special = false, decode = false, chat = false;
};

/// One line of input, for error messages.
struct Line {
  std::string place;  ///< "FILE: line 3"
  std::string text;
};

/// "1 2 3" or, with --jsonl, {"ids": [1, 2, 3]}.
Result<std::vector<TokenId>> read_ids(const Line& line, const Options& options) {
  const auto expected = options.jsonl ? "{\"ids\": [...]} with integers" : "token ids separated by blanks";
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: found '{}', expected {}", line.place, line.text.substr(0, 60), expected));
  };
  std::vector<TokenId> ids;
  if (options.jsonl) {
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

Result<std::string> decode_line(const text::Tokenizer& tokenizer, const Line& line, const Options& options) {
  LIEQ_ASSIGN(const auto ids, read_ids(line, options));
  const auto limit = static_cast<TokenId>(tokenizer.vocab_size());
  for (const TokenId id : ids) {
    if (id < 0 || id >= limit)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: token id {}, expected 0 to {}", line.place, id, limit - 1));
  }
  const std::string text = tokenizer.decode(ids, options.no_special ? SpecialText::kSkip : SpecialText::kKeep);
  return options.jsonl ? Json{{"text", text}}.dump() : text;
}

Result<std::string> encode_line(const text::Tokenizer& tokenizer, const Line& line, const Options& options,
                                std::size_t& replaced) {
  RepairedText repaired = repair_utf8(line.text);
  replaced += repaired.replaced;
  std::string text = std::move(repaired.text);
  if (options.jsonl) {
    LIEQ_ASSIGN(const Json json, parse_json(text, line.place));
    const Fields fields(json, line.place);
    LIEQ_ASSIGN(const auto found, fields.string("text"));
    if (!found) return fail(ErrorCode::kInvalidFormat, line.place + ": field 'text': missing, expected a string");
    text = *found;
  }
  const auto ids = tokenizer.encode(text, options.no_special ? SpecialTokens::kNone : SpecialTokens::kAdd);
  return options.jsonl ? Json{{"ids", ids}}.dump() : fmt::format("{}", fmt::join(ids, " "));
}

/// {"messages": [...], ...} to {"prompt": ..., "ids": [...]}: what chat would give to the model.
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

Result<void> tokenize(const Options& options) {
  Console console;
  LIEQ_ASSIGN(const std::filesystem::path model, hub::find_model(options.model, console));
  LIEQ_ASSIGN(const text::Tokenizer tokenizer, text::Tokenizer::load(model));
  std::optional<text::ChatTemplate> chat_template;
  if (options.chat) {
    LIEQ_ASSIGN(chat_template, text::ChatTemplate::load(model));
  }
  std::ifstream file;
  const bool from_file = !options.input.empty() && options.input != "-";
  if (from_file) file.open(options.input, std::ios::binary);
  if (from_file && !file) return fail(ErrorCode::kNotFound, options.input + ": cannot be read, expected a text file");
  std::istream& in = from_file ? file : std::cin;
  const std::string name = from_file ? options.input : "standard input";
  std::size_t replaced = 0;
  Line line;
  for (std::size_t number = 1; std::getline(in, line.text); ++number) {
    line.place = fmt::format("{}: line {}", name, number);
    LIEQ_ASSIGN(const std::string out, options.chat   ? chat_line(tokenizer, *chat_template, line)
                                       : options.decode ? decode_line(tokenizer, line, options)
                                                        : encode_line(tokenizer, line, options, replaced));
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fputc('\n', stdout);
  }
  if (in.bad()) return fail(ErrorCode::kIo, name + ": cannot be read");
  if (std::fflush(stdout) != 0) return fail(ErrorCode::kIo, "standard output: cannot be written");
  if (replaced > 0) console.warn(fmt::format("{}: {} invalid UTF-8 sequences replaced by U+FFFD", name, replaced));
  return {};
}

}  // namespace

Run add_tokenize(OptionSet& app, const Common&) {
  const auto options = std::make_shared<Options>();
  app.add("MODEL", options->model, "A model folder, a .gguf file, a tokenizer.json, or ORG/NAME[:QUANT] on the hub")
      .required();
  app.add("FILE", options->input, "Lines to read (default: standard input)");
  app.flag("--jsonl", options->jsonl,
           "Lines are {\"text\": ...} and {\"ids\": [...]} instead of plain text and numbers");
  app.flag("--no-special", options->no_special,
           "Encoding adds no special tokens such as BOS; decoding leaves special tokens out");
  const Option& decode = app.flag("--decode", options->decode, "From ids to text");
  app.flag("--chat", options->chat,
           "Lines are {\"messages\": [...]}, also with \"tools\", \"documents\", \"add_generation_prompt\" and "
           "\"kwargs\"; each becomes "
           "the prompt that the model's chat template makes of it, and its ids")
      .excludes(decode);
  return [options] { return tokenize(*options); };
}

}  // namespace lieq::cli
