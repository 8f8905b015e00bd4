#include <fstream>
#include <iostream>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "lieq/cli/command.h"
#include "lieq/hub/pull.h"
#include "lieq/pipeline/token_lines.h"
#include "lieq/terminal/console.h"
#include "lieq/text/chat_template.h"
#include "lieq/text/tokenizer.h"

namespace lieq::cli {
namespace tokenize_verb {

struct Options {
  std::string model, input;
  pipeline::LineFormat format;
  bool decode = false, chat = false;
};

Result<void> tokenize(const Options& options) {
  terminal::Console console;
  LIEQ_ASSIGN(const std::filesystem::path model, hub::find_model(options.model, console));
  LIEQ_ASSIGN(const text::Tokenizer tokenizer, text::Tokenizer::load(model));
  for (const std::string& line : tokenizer.warnings()) console.warn(line);
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
  pipeline::Line line;
  for (std::size_t number = 1; std::getline(in, line.text); ++number) {
    line.place = fmt::format("{}: line {}", name, number);
    LIEQ_ASSIGN(const std::string out, options.chat ? pipeline::chat_line(tokenizer, *chat_template, line)
                                       : options.decode
                                           ? pipeline::decode_line(tokenizer, line, options.format)
                                           : pipeline::encode_line(tokenizer, line, options.format, replaced));
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fputc('\n', stdout);
  }
  if (in.bad()) return fail(ErrorCode::kIo, name + ": cannot be read");
  if (std::fflush(stdout) != 0) return fail(ErrorCode::kIo, "standard output: cannot be written");
  if (replaced > 0) console.warn(fmt::format("{}: {} invalid UTF-8 sequences replaced by U+FFFD", name, replaced));
  return {};
}

}  // namespace tokenize_verb

Run add_tokenize(OptionSet& app, const Common&) {
  using namespace tokenize_verb;
  const auto options = std::make_shared<Options>();
  app.add("MODEL", options->model, "A model folder, a .gguf file, a tokenizer.json, or ORG/NAME[:QUANT] on the hub")
      .required();
  app.add("FILE", options->input, "Lines to read (default: standard input)");
  app.flag("--jsonl", options->format.jsonl,
           "Lines are {\"text\": ...} and {\"ids\": [...]} instead of plain text and numbers");
  app.flag("--no-special", options->format.no_special,
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
