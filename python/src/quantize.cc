/// lieq.quantize and lieq.refine.

#include <array>
#include <string>
#include <utility>

#include "lieq/pipeline/quantize.h"
#include "loaded_model.h"
#include "options.h"
#include "records.h"
#include "work.h"

namespace lieq::python {
namespace {

/// Of what is made either way. embed_default: what embed_bits = None is.
void add_result(Keywords& keywords, pipeline::QuantizeOptions& job, const std::string& embed_default) {
  keywords.add_path(
      "text", job.text,
      "held-out text of the final comparison, or several with a comma between; empty: what the calibration held out");
  keywords.add("text_window", job.text_window, "tokens in a window of it; 0: 2048 or the model's limit");
  keywords.add("text_chunks", job.text_chunks, "score so many windows only; 0: all");
  keywords.add("embed_bits", job.embed_bits, "bits of embedding and head: 4, 6, 8 or 16; None: " + embed_default);
  keywords.add("exports", job.exports, "also write the result for other engines, as export() does");
  keywords.add("force", job.force, "replace an existing output, and an unfinished run with other options");
}

struct QuantizeArguments {
  pipeline::QuantizeOptions job;
  BudgetWords budget;
  std::string grid{quantize::name(job.recipe.grid)};
  bool refine = false;
  pipeline::RefineOptions refinement;
  nb::object progress = nb::none();
  Keywords keywords;

  QuantizeArguments() {
    budget.add_to(keywords);
    keywords.add("choices", job.plan.choices, "widths there are");
    keywords.add_object("plan", "lieq.records.BitPlan | str | os.PathLike[str]",
                        "of allocate(), or the file that holds one, instead of a budget",
                        [this](nb::handle value) { job.plan.plan = plan_of(value); });
    keywords.add_object("scores", "lieq.records.LayerScores | str | os.PathLike[str]",
                        "of diagnose(), or the file that holds them, instead of diagnosing on the calibration text",
                        [this](nb::handle value) { job.plan.scores = scores_of(value); });
    keywords.add_text("score", job.plan.diagnosis.score.score, {"geometry", "lieq"},
                      "lieq: with the perplexity drop, which takes long");
    keywords.add_name(
        "rank", job.plan.ranking, allocate::kRankings, [](allocate::Ranking one) { return allocate::name(one); },
        "what orders the layers; None: 'score', or 'kl-share' where per is not 'layer'");
    keywords.add_name(
        "per", job.plan.unit, allocate::kUnits, [](allocate::Unit one) { return allocate::name(one); },
        "what gets a width of its own; fused (q, k, v; o; gate, up; down) and linear: by shares of KL; None: "
        "'layer', or 'fused' where bits, true_bits or size are given");
    keywords.add_text("grid", grid, {"sym", "skew", "asym", "half", "q2_k", "q3_k", "q4_k"},
                      "zero points: skew is exact in other engines' formats, half is best for lieq and MLX; q2_k, q3_k "
                      "and q4_k: GGUF's K blocks, by their lower width");
    add_recipe(keywords, job.recipe);
    add_calibration(keywords, job.calibration);
    keywords.add("refine", refine, "then tune group scales and norm gains end to end by KL to the original");
    keywords.add("refine_steps", refinement.steps, "with refine: steps of Adam");
    keywords.add("refine_tokens", refinement.tokens, "with refine: tokens that a step sees");
    keywords.add("refine_rate", refinement.rate, "with refine: the learning rate of scales");
    add_result(keywords, job, "8 if that costs less than 0.1 % of perplexity");
    add_progress(keywords, progress);
  }

  void settle() {
    job.plan.budget = budget.budget();
    job.recipe.grid = value_of(quantize::grid_from_name(grid));
    pipeline::set_widths(grid, job.plan);
    if (refine) job.refine = refinement;
  }
};

struct RefineArguments {
  pipeline::QuantizeOptions job;
  pipeline::RefineOptions refinement;
  nb::object progress = nb::none();
  Keywords keywords;

  RefineArguments() {
    add_calibration(keywords, job.calibration);
    keywords.add("steps", refinement.steps, "of Adam");
    keywords.add("tokens", refinement.tokens, "that a step sees");
    keywords.add("rate", refinement.rate, "the learning rate of scales; gains take a quarter");
    add_result(keywords, job, "as many as there are");
    add_progress(keywords, progress);
  }
};

/// What was made, and from what.
struct Made {
  BitPlan plan;
  pipeline::CalibrationFacts facts;
  pipeline::QuantizeRecord record;
};

Result<Made> make(const pipeline::QuantizeOptions& job, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(pipeline::Quantization quantization, pipeline::Quantization::prepare(job, threads, sink));
  Made made{quantization.plan(), quantization.calibration(), {}};
  for (const std::string& warning : pipeline::warnings_of(made.facts)) sink.warn(warning);
  LIEQ_ASSIGN(made.record, quantization.run());
  if (made.record.warning) sink.warn(*made.record.warning);
  return made;
}

Json fields_of_made(const Made& made) {
  const pipeline::QuantizeRecord& record = made.record;
  Json records = Json::array(), further = Json::array(), exports = Json::array(), comparison, embed;
  for (const EvalRecord& one : record.records) records.push_back(to_json(one));
  for (const EvalRecord& one : record.further) further.push_back(to_json(one));
  for (const save::ExportRecord& one : record.exports) exports.push_back(fields_of(one));
  if (const auto& one = record.comparison)
    comparison = {{"grid", one->grid}, {"other", one->other}, {"ratio", one->ratio}, {"every", one->every}};
  if (const auto& one = record.embed)
    embed = {{"bits", one->bits},
             {"perplexity", one->perplexity},
             {"stored_perplexity", one->stored_perplexity},
             {"taken", one->taken}};
  return {{"records", std::move(records)},
          {"further", std::move(further)},
          {"smoke_test", to_json(record.smoke)},
          {"text", record.text},
          {"window", record.window},
          {"plan", to_json(made.plan)},
          {"calibration", to_json(made.facts)},
          {"comparison", std::move(comparison)},
          {"embed", std::move(embed)},
          {"refined", record.refined ? to_json(*record.refined) : Json()},
          {"embedding_note", record.embedding_note},
          {"output", record.output},
          {"format", record.format},
          {"exports", std::move(exports)},
          {"warning", record.warning ? Json(*record.warning) : Json()},
          {"provenance", record.provenance}};
}

/// Runs the job on what the function was given.
nb::object made_of(pipeline::QuantizeOptions job, nb::handle model, nb::handle output, const nb::object& progress) {
  job.model = file_of(model);
  job.output = nb::cast<std::string>(nb::module_::import_("os").attr("fspath")(output));
  const Made made = run(progress, [&](Threads& threads, Sink& sink) { return make(job, threads, sink); });
  return record("QuantizeRecord", fields_of_made(made));
}

nb::object quantize_model(nb::object model, nb::object output, const nb::kwargs& given) {
  QuantizeArguments arguments;
  arguments.keywords.read("quantize", given);
  arguments.settle();
  return made_of(arguments.job, model, output, arguments.progress);
}

nb::object refine_model(nb::object model, nb::object quantized, nb::object output, const nb::kwargs& given) {
  RefineArguments arguments;
  arguments.keywords.read("refine", given);
  arguments.job.refine = arguments.refinement;
  arguments.job.from = file_of(quantized);
  return made_of(arguments.job, model, output, arguments.progress);
}

}  // namespace

void define_quantize(nb::module_& module) {
  def_with_keywords<QuantizeArguments>(
      module, "quantize", "model: str | os.PathLike[str] | Model, output: str | os.PathLike[str]",
      "lieq.records.QuantizeRecord",
      "All of it: diagnoses, allocates, quantises, saves and compares. Interrupted by Ctrl-C, the same call goes on "
      "after "
      "the last finished layer, with the same bytes as the result. The budget is one of top, bits, true_bits and size; "
      "without any, and without a plan, the paper's: one layer at the highest width.\n\noutput: folder to make, or "
      "with "
      "a K grid the .gguf file.",
      &quantize_model, nb::arg("model"), nb::arg("output"));
  def_with_keywords<RefineArguments>(
      module, "refine",
      "model: str | os.PathLike[str] | Model, quantized: str | os.PathLike[str] | Model, output: str | os.PathLike[str]",
      "lieq.records.QuantizeRecord",
      "Tunes group scales and norm gains of a quantised model end to end, codes fixed, by KL to the model it was made "
      "of; never worse on text that the calibration holds out. Interrupted by Ctrl-C, the same call goes on."
      "\n\nquantized: of lieq or another tool, codes in groups with a scale each.",
      &refine_model, nb::arg("model"), nb::arg("quantized"), nb::arg("output"));
}

}  // namespace lieq::python
