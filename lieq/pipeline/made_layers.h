#pragma once
/// The layers of a model that is quantised already, as a run takes them that only refines.

#include <string>
#include <utility>

#include "lieq/base/bit_plan.h"
#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"
#include "lieq/quantize/options.h"
#include "lieq/quantize/quantized_layer.h"

namespace lieq::pipeline {

class MadeLayers {
 public:
  /// made: a form of `original`, as load_bundle takes it: any file whose linears are codes in groups of neighbours with
  /// a scale and a zero point each (GPTQ, AWQ, AutoRound and compressed-tensors folders; Q8_0, Q4_0 and Q2_0 of GGUF).
  /// Groups of several sizes become such of the largest size that divides all.
  /// source: what the original is called in the plan. Errors: kInvalidArgument naming the linear, or what differs from
  /// the original; those of Model::load.
  [[nodiscard]] static Result<MadeLayers> load(const std::string& made, const model::Model& original,
                                               const std::string& source, Threads& threads, Sink& sink);

  /// Layer l: codes, scales, norms and biases as they are.
  [[nodiscard]] quantize::QuantizedLayer layer(std::size_t l, Threads& threads) const;

  [[nodiscard]] const BitPlan& plan() const { return plan_; }
  /// Grid and groups of the linears; all other fields are defaults, and say nothing of how they were made.
  [[nodiscard]] const quantize::Options& options() const { return options_; }
  /// Bits that hold embedding and head, the finer of the two, as QuantizeOptions::embed_bits names them.
  [[nodiscard]] unsigned embed_bits() const;
  /// Its lieq.json; empty: it has none.
  [[nodiscard]] const Json& provenance() const { return provenance_; }
  [[nodiscard]] const model::Model& model() const { return model_; }

 private:
  explicit MadeLayers(model::Model model) : model_(std::move(model)) {}

  model::Model model_;
  BitPlan plan_;
  quantize::Options options_;
  Json provenance_ = Json::object();
};

}  // namespace lieq::pipeline
