#pragma once
/// A model together with the tokenizer that belongs to it.

#include <filesystem>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"
#include "lieq/text/tokenizer.h"

namespace lieq::eval {

struct Bundle {
  model::Model model;
  text::Tokenizer tokenizer;

  /// Loads both. Warnings of both go to `sink`. A tokenizer may have ids without a row in the embedding: it is an
  /// error of
  /// what runs them (a choice, a prompt, a window) to meet one.
  /// Errors: those of Model::load and Tokenizer::load.
  [[nodiscard]] static Result<Bundle> load(const std::filesystem::path& path, Threads& threads, Sink& sink,
                                           const model::LoadOptions& options = {});
};

}  // namespace lieq::eval
