#include "lieq/eval/bundle.h"

#include <fmt/format.h>

namespace lieq::eval {

Result<Bundle> Bundle::load(const std::filesystem::path& path, Threads& threads, Sink& sink,
                            const model::LoadOptions& options) {
  LIEQ_ASSIGN(model::Model model, model::Model::load(path, threads, sink, options));
  LIEQ_ASSIGN(text::Tokenizer tokenizer, text::Tokenizer::load(path));
  for (const std::string& line : tokenizer.warnings()) sink.warn(line);
  // A padded embedding has more rows than the tokenizer has ids; the reverse would read past its end.
  if (tokenizer.vocab_size() > model.config.vocab_size)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: tokenizer: found {} ids, expected at most vocab_size = {} (rows of the embedding)",
                            path.string(), tokenizer.vocab_size(), model.config.vocab_size));
  return Bundle{std::move(model), std::move(tokenizer)};
}

}  // namespace lieq::eval
