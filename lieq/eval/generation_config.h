#pragma once
/// How a model's makers want it to sample. Its end tokens are in ModelConfig::eos_token_id, which Model::load fills.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/sample.h"

namespace lieq::eval {

/// generation_config.json; what is absent there is absent here.
struct GenerationConfig {
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<std::uint64_t> top_k;

  /// Of a model folder; empty where there is no such file, or for a .gguf file, which has no place for one.
  /// Errors: kIo, kInvalidFormat naming the field.
  [[nodiscard]] static Result<GenerationConfig> load(const std::filesystem::path& model);

  /// As transformers reads the file: greedy when do_sample is false; otherwise what is absent is temperature 1, top_k
  /// 50, top_p 1. Of a file that says nothing about sampling, llama.cpp's defaults: temperature 0.8, top_k 40, top_p
  /// 0.95, min_p 0.05.
  [[nodiscard]] SamplingOptions sampling() const;
};

/// The ids that end a text: eos_token_id of the model, `eos_token` of the tokenizer, and the tokens that end a turn or
/// a text in the published chat formats, where the tokenizer has them.
[[nodiscard]] std::vector<model::TokenId> stop_tokens(const Bundle& bundle, std::string_view eos_token);

}  // namespace lieq::eval
