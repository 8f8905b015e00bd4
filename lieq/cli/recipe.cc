#include "lieq/cli/recipe.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "lieq/pipeline/recipe.h"

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
  app.add("--correction", q.correction,
          "How far targets follow the original model's output: 0 not at all, 1 all the way")
      .range(0.0, 1.0).show_default();
  app.flag("--no-refit", options.no_refit, "No joint least squares over the scales of a row");
  app.flag("--no-gains", options.no_gains, "No refit of the norm gains");
  app.add("--on-singular", options.on_singular, "A Hessian that stays singular: error, or rtn for that linear")
      .one_of({"error", "rtn"}).show_default();
}

void add_preset_option(OptionSet& app, RecipeOptions& options) {
  std::vector<std::string> names;
  std::string what = "A whole recipe, that other options may change:";
  for (const pipeline::Recipe& recipe : pipeline::recipes()) {
    names.emplace_back(recipe.name);
    what += fmt::format("{} {}: {}", names.size() > 1 ? ";" : "", recipe.name, recipe.what);
  }
  options.given = &app;
  app.add("--recipe", options.preset, std::move(what)).one_of(std::move(names));
}

namespace {

/// The preset with what was given beside it.
Result<quantize::Options> changed_preset(const RecipeOptions& options, const quantize::Options& asked) {
  LIEQ_ASSIGN(const pipeline::Recipe recipe, pipeline::recipe_from_name(options.preset));
  quantize::Options q = recipe.options;
  const auto given = [&](std::string_view name) {
    return std::ranges::any_of(options.given->given(), [&](const GivenOption& one) { return one.name == name; });
  };
  if (given("method")) q.method = asked.method;
  if (given("awq-then")) q.awq_then = asked.awq_then;
  if (given("grid")) q.grid = asked.grid;
  if (given("sweeps")) q.sweeps = asked.sweeps;
  if (given("no-search")) q.range = asked.range;
  if (given("no-correction")) q.corrected_target = asked.corrected_target;
  if (given("correction")) q.correction = asked.correction;
  if (given("no-refit")) q.refit_scales = asked.refit_scales;
  if (given("no-gains")) q.refit_gains = asked.refit_gains;
  // What no preset sets.
  q.group_size = asked.group_size;
  q.damping = asked.damping;
  q.act_order = asked.act_order;
  q.on_singular = asked.on_singular;
  return q;
}

}  // namespace

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
  return options.preset.empty() ? q : changed_preset(options, q);
}

Result<bool> preset_refines(const RecipeOptions& options) {
  if (options.preset.empty()) return false;
  LIEQ_ASSIGN(const pipeline::Recipe recipe, pipeline::recipe_from_name(options.preset));
  return recipe.refine;
}

}  // namespace lieq::cli
