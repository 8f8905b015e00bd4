#include "lieq/eval/bundle.h"

#include "lieq/model/fingerprint.h"

namespace lieq::eval {

Result<Bundle> Bundle::load(const std::filesystem::path& path, Threads& threads, Sink& sink,
                            const model::LoadOptions& options) {
  LIEQ_ASSIGN(model::Model model, model::Model::load(path, threads, sink, options));
  LIEQ_ASSIGN(text::Tokenizer tokenizer, text::Tokenizer::load(path));
  for (const std::string& line : tokenizer.warnings()) sink.warn(line);
  return Bundle(std::move(model), std::move(tokenizer));
}

const std::string& Bundle::fingerprint(Threads& threads) const {
  if (fingerprint_.empty()) fingerprint_ = model::fingerprint(model, threads);
  return fingerprint_;
}

}  // namespace lieq::eval
