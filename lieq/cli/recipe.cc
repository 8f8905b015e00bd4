#include "lieq/cli/recipe.h"

#include <fmt/format.h>

namespace lieq::cli {

void add_recipe_options(OptionSet& app, RecipeOptions& options) {
  quantize::Options& q = options.base;
  app.add("--awq-then", options.awq_then, "What rounds the weights that awq has scaled: gptq or rtn")
      .one_of({"gptq", "rtn"}).show_default();
  app.add("--grid", options.grid,
          "Zero points: skew (exact in other engines' formats), sym, asym, or half (best; lieq and MLX); or GGUF's K "
          "blocks, whose lower width q2_k, q3_k or q4_k names")
      .one_of({"sym", "skew", "asym", "half", "q2_k", "q3_k", "q4_k"}).show_default();
  app.add("--group-size", options.group_size, "Weights that share a scale; -1: a whole row").show_default();
  app.add("--damping", q.damping, "Added to the Hessian's diagonal, as a fraction of its mean")
      .range(0.0, 1.0).show_default();
  app.add("--act-order", options.act_order, "Columns by falling activation: none, static or dynamic groups")
      .one_of({"none", "static", "dynamic"}).show_default();
  app.add("--sweeps", q.sweeps, "Rounds of coordinate descent and scale refit after GPTQ").range(0, 100).show_default();
  app.flag("--no-search", options.no_search, "Scales from the extremes of a group instead of the weighted search");
  app.flag("--no-correction", options.no_correction,
           "Fit to the quantised inputs' output instead of the original model's");
  app.flag("--no-refit", options.no_refit, "No joint least squares over the scales of a row");
  app.flag("--no-gains", options.no_gains, "No refit of the norm gains");
  app.add("--on-singular", options.on_singular, "A Hessian that stays singular: error, or rtn for that linear")
      .one_of({"error", "rtn"}).show_default();
}

Result<quantize::Options> recipe_of(const RecipeOptions& options, std::string_view method) {
  quantize::Options q = options.base;
  LIEQ_ASSIGN(q.method, quantize::method_from_name(method));
  LIEQ_ASSIGN(q.awq_then, quantize::method_from_name(options.awq_then));
  LIEQ_ASSIGN(q.grid, quantize::grid_from_name(options.grid));
  if (options.group_size != -1 && options.group_size < 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--group-size: found {}, expected -1 or a positive number", options.group_size));
  q.group_size = options.group_size == -1 ? 0 : static_cast<std::size_t>(options.group_size);
  q.act_order = options.act_order == "static"    ? quantize::ActOrder::kStatic
                : options.act_order == "dynamic" ? quantize::ActOrder::kDynamic
                                                 : quantize::ActOrder::kNone;
  q.on_singular = options.on_singular == "rtn" ? quantize::OnSingular::kRtn : quantize::OnSingular::kError;
  if (options.no_search) q.range = quantize::Range::kMinMax;
  q.corrected_target = !options.no_correction;
  q.refit_scales = !options.no_refit;
  q.refit_gains = !options.no_gains;
  return q;
}

}  // namespace lieq::cli
