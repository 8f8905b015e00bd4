#pragma once
/// Job: which engines load a model, and how fast, from the table of engines.h.

#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"
#include "lieq/pipeline/engines.h"

namespace lieq::pipeline {

/// What the table's rules ask about:
///   container     gguf, gptq, gptq_v2, lieq (half zero points, which no other engine knows), auto-round, awq,
///                 compressed-tensors, mlx or dense (a Hugging Face folder)
///   architecture  model_type: llama, qwen2, ...
///   types         of the layers' linears in a GGUF file, or of dense weights: ["Q2_K", "Q4_K"]; [] in packed folders
///   other_types   of embedding and head, likewise
///   bits          widths of the layers' codes: [2, 4]; 16 or 32 where they are dense
///   group_sizes   weights that share a scale, -1: a row; [] for dense weights and K blocks
///   mixed         no; by layer; within layers (linears of a layer differ); within fused (q, k and v, or gate and up)
///   zeros         symmetric, whole, half, minima (offsets of any value) or none, over all layers
///   act_order     whether groups are not consecutive columns
///   embedding     packed (codes or blocks in a folder) or plain; head likewise: plain too when it is tied
///   columns, rows of all linears: the greatest common divisor
/// model: loaded with LoadOptions::as_stored(). Errors: those of reading its config.json.
[[nodiscard]] Result<Json> facts_for_engines(const model::Model& model);

struct EngineAnswer {
  std::string engine, run;
  EngineRule rule;
};

struct CheckRecord {
  std::string model;
  Json facts;
  std::vector<EngineAnswer> answers;  ///< in the table's order

  [[nodiscard]] bool some_engine_loads() const;
};
[[nodiscard]] Json to_json(const CheckRecord& record);

/// model: as load_bundle takes it. engine: one of the table's, in any case of its letters; empty: all.
/// Cost: reading the model once. Errors: kInvalidArgument listing the engines; those of Model::load.
[[nodiscard]] Result<CheckRecord> check_engines(const std::string& model, const std::string& engine, Threads& threads,
                                                Sink& sink);

/// The built-in table. Errors: those of engines_from_json.
[[nodiscard]] Result<Engines> known_engines();

}  // namespace lieq::pipeline
