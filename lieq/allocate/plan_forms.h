#pragma once
/// Plans in the words of other tools, so that who quantises elsewhere gets the same widths. Pure functions.
///
/// To add a tool: a function from PlanFacts to text in plan_forms.cc and a row in plan_forms().

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/bit_plan.h"
#include "lieq/base/result.h"

namespace lieq::allocate {

/// What every form is made of.
struct PlanFacts {
  std::size_t num_hidden_layers = 0;
  std::size_t group_size = 64;
  double rest_bits = 16;                             ///< of embeddings and head
  std::map<int, std::vector<std::size_t>> layers;    ///< width -> the layers that have it, ascending; 16: left as it is
  /// Of layers that have several widths and so are not among `layers`: width -> linear -> the layers, ascending.
  std::map<int, std::map<std::string, std::vector<std::size_t>>> parts;
  int usual = 2;                                     ///< the width most layers have, of those below 16
  std::vector<std::string> linears;                  ///< of one layer, as Hugging Face names them: "self_attn.q_proj"
};

/// A row of the table.
struct PlanForm {
  std::string_view tool;       ///< "llama-quantize"
  std::string_view what;       ///< one line for help: what the text is and where it goes
  std::string_view extension;  ///< ".txt"
  Result<std::string> (*text)(const PlanFacts& facts);
};

/// In the order help lists them:
///   llama-quantize  --tensor-type-file: one "regex=type" a line, the regexes of two widths never match one tensor
///                   (github.com/ggml-org/llama.cpp/pull/18572)
///   gptqmodel       arguments of QuantizeConfig as JSON: bits, group_size and `dynamic`, a rule for each other width
///                   that names layers only, which fused names of vLLM and SGLang match as well, and before it one for
///                   each linear whose width is not its layer's
///   auto-round      arguments of AutoRound as JSON: bits, group_size and `layer_config` by full module names
///   mlx             a Python program that converts a model with mlx_lm and this plan as its quant_predicate
///   llm-compressor  a recipe (YAML) with one config group a width, their targets disjoint
[[nodiscard]] std::span<const PlanForm> plan_forms();

/// Errors: kInvalidArgument listing the tools.
[[nodiscard]] Result<const PlanForm*> find_plan_form(std::string_view tool);

/// The plan in a tool's form. linears: names of a layer's linears below "model.layers.N.".
/// Errors: kInvalidArgument naming the tool and what it cannot do: a group size that MLX has no kernels for, a plan
/// that leaves all layers at 16 bits.
[[nodiscard]] Result<std::string> plan_text(const PlanForm& form, const BitPlan& plan,
                                            std::span<const std::string_view> linears);

}  // namespace lieq::allocate
