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

  /// Loads both and checks that every id of the tokenizer has a row in the embedding.
  /// Errors: those of Model::load and Tokenizer::load; kInvalidFormat on a vocabulary that does not fit.
  [[nodiscard]] static Result<Bundle> load(const std::filesystem::path& path, Threads& threads, Sink& sink,
                                           const model::LoadOptions& options = {});
};

}  // namespace lieq::eval
