#include "options.h"

#include <array>

#include "errors.h"
#include "lieq/hub/environment.h"
#include "lieq/pipeline/evaluate.h"

namespace lieq::python {

void add_progress(Keywords& keywords, nb::object& progress) {
  keywords.add_object("progress", "bool | collections.abc.Callable[[str, int, int], object]",
                      "a callable (what, done, total); True or False: bars or nothing; None: bars on a terminal and in "
                      "notebooks",
                      [&progress](nb::handle value) { progress = nb::borrow(value); });
}

void add_compute(Keywords& keywords, kernels::Compute& compute) {
  using kernels::Compute;
  keywords.add_name("compute", compute, std::array{Compute::kF32, Compute::kBF16, Compute::kInt8},
                    pipeline::compute_name,
                    "arithmetic: fp32, bf16 with float32 sums, or int8 for the inputs of packed weights");
}

void add_load(Keywords& keywords, model::LoadOptions& load) {
  keywords.add("embed_bits", load.embed_bits, "4 or 8 rounds embedding and head, 16 leaves them as stored");
}

void add_sampling(Keywords& keywords, eval::SamplingOptions& sampling) {
  keywords.add("temperature", sampling.temperature, "0: always the most likely token");
  keywords.add("top_k", sampling.top_k, "sample from the k most likely tokens; 0: all");
  keywords.add("top_p", sampling.top_p, "sample from the fewest tokens whose probabilities reach this sum; 1: all");
  keywords.add("min_p", sampling.min_p, "sample from tokens at least this times as likely as the likeliest; 0: all");
  keywords.add("repeat_penalty", sampling.repeat_penalty, "makes tokens seen lately less likely; 1: no");
  keywords.add("repeat_last_n", sampling.repeat_last_n, "how many tokens back that looks");
  keywords.add("seed", sampling.seed, "same seed, same tokens");
}

void add_calibration(Keywords& keywords, pipeline::CalibrationOptions& calibration) {
  calibration.cache = hub::cache_folder().value_or(std::filesystem::path());  // no home: nothing is kept
  keywords.add_path(
      "calibration", calibration.source,
      "texts to fit to, with a comma between, each with as many windows: a .txt or .jsonl file, a data set "
      "such as 'wikitext2-train', 'builtin': prose, code and conversations that come with lieq, 'self': text "
      "the model writes");
  keywords.add("calibration_field", calibration.field, "the field of a .jsonl record that holds the text");
  keywords.add("calibration_windows", calibration.windows, "windows to fit to, of all texts together; 0: 24");
  keywords.add("calibration_window", calibration.window, "tokens in a window; 0: 2048, or the model's limit");
  keywords.add("calibration_seed", calibration.seed, "of 'self'");
}

void add_diagnosis(Keywords& keywords, diagnose::DiagnoseOptions& diagnosis) {
  ScoreOptions& score = diagnosis.score;
  keywords.add_text("score", score.score, {"geometry", "lieq"}, "lieq: with the perplexity drop, which takes long");
  keywords.add_text("normalize", score.normalize, {"minmax", "sum", "zscore", "rank", "log"},
                    "how metrics are made comparable");
  keywords.add_text("geometry_input", score.geometry_input, {"normed", "residual"},
                    "normed: what the projections read; residual: before the norm");
  keywords.add("top_k", score.top_k, "singular values the energy gain counts");
  keywords.add("draws", score.draws, "random matrices each projection is compared with");
  keywords.add("seed", score.seed, "of the random matrices");
  keywords.add("passages", score.passages, "passages for each text and length that the geometry averages over");
  keywords.add("per_bucket", score.per_bucket, "passages for each text and length");
  keywords.add("perplexity_drop", diagnosis.perplexity_drop, "measure it even where the score does not use it");
  keywords.add("memory", diagnosis.memory, "bytes for the activations of the perplexity drop");
}

void add_recipe(Keywords& keywords, quantize::Options& recipe) {
  using namespace quantize;
  const auto method_name = [](Method method) { return name(method); };
  keywords.add_name("method", recipe.method, std::array{Method::kRtn, Method::kGptq, Method::kAwq, Method::kOmniQuant},
                    method_name, "how weights are rounded");
  keywords.add("group_size", recipe.group_size, "weights that share a scale; 0: a whole row");
  keywords.add_name(
      "range", recipe.range, std::array{Range::kMinMax, Range::kSearch},
      [](Range range) { return range == Range::kSearch ? "search" : "minmax"; },
      "scales from a weighted search, or from the extremes of a group");
  keywords.add("damping", recipe.damping, "added to the Hessian's diagonal, as a fraction of its mean");
  keywords.add_name(
      "act_order", recipe.act_order, std::array{ActOrder::kNone, ActOrder::kStatic, ActOrder::kDynamic},
      [](ActOrder order) {
        return order == ActOrder::kNone ? "none" : order == ActOrder::kStatic ? "static" : "dynamic";
      },
      "columns by falling activation");
  keywords.add_name(
      "on_singular", recipe.on_singular, std::array{OnSingular::kError, OnSingular::kRtn},
      [](OnSingular what) { return what == OnSingular::kError ? "error" : "rtn"; }, "a Hessian that stays singular");
  keywords.add("corrected_target", recipe.corrected_target, "fit to the output of the unquantised model");
  keywords.add("correction", recipe.correction, "how far targets follow its output, 0 to 1");
  keywords.add("residual_weight", recipe.residual_weight,
               "share of the residual stream's error in the target of o_proj and down_proj");
  keywords.add("sweeps", recipe.sweeps, "rounds of coordinate descent and scale refit after GPTQ");
  keywords.add("refit_scales", recipe.refit_scales, "joint least squares over the scales of a row");
  keywords.add("refit_gains", recipe.refit_gains, "least squares per input channel, folded into the norms");
  keywords.add("inner_gains", recipe.inner_gains, "the same for o_proj and down_proj");
  keywords.add("awq_clip", recipe.awq_clip, "AWQ: search a clipping where range is minmax");
  keywords.add("awq_duo", recipe.awq_duo, "AWQ: divide the scales by the weights' own size");
  keywords.add_name("awq_then", recipe.awq_then, std::array{Method::kGptq, Method::kRtn}, method_name,
                    "what rounds the weights that AWQ has scaled");
}

void BudgetWords::add_to(Keywords& keywords) {
  keywords.add("top", top, "give this many layers the highest width");
  keywords.add("bits", bits, "mean code bits per weight of the layers: the paper's number, without scales");
  keywords.add("true_bits", true_bits, "mean bits per weight of the layers with scales and zero points");
  keywords.add("size", size, "bytes of the whole model");
}

std::optional<Budget> BudgetWords::budget() const {
  using Kind = Budget::Kind;
  std::vector<Budget> given;
  if (top) given.push_back({Kind::kTop, static_cast<double>(*top)});
  if (bits) given.push_back({Kind::kCodeBits, *bits});
  if (true_bits) given.push_back({Kind::kTrueBits, *true_bits});
  if (size) given.push_back({Kind::kBytes, static_cast<double>(*size)});
  if (given.size() > 1)
    refuse("budget: found " + std::to_string(given.size()) + ", expected one of top, bits, true_bits and size");
  return given.empty() ? std::nullopt : std::optional(given.front());
}

}  // namespace lieq::python
