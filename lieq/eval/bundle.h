#pragma once
/// A model together with the tokenizer that belongs to it.

#include <filesystem>
#include <string>
#include <utility>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"
#include "lieq/text/tokenizer.h"

namespace lieq::eval {

struct Bundle {
  model::Model model;
  text::Tokenizer tokenizer;

  Bundle(model::Model loaded, text::Tokenizer its) : model(std::move(loaded)), tokenizer(std::move(its)) {}

  /// Loads both. Warnings of both go to `sink`. A tokenizer may have ids without a row in the embedding: it is an
  /// error of what runs them (a choice, a prompt, a window) to meet one.
  /// Errors: those of Model::load and Tokenizer::load.
  [[nodiscard]] static Result<Bundle> load(const std::filesystem::path& path, Threads& threads, Sink& sink,
                                           const model::LoadOptions& options = {});

  /// model::fingerprint of the model, whose weights are read for it once. Not from several threads at a time.
  [[nodiscard]] const std::string& fingerprint(Threads& threads) const;

 private:
  mutable std::string fingerprint_;
};

}  // namespace lieq::eval
