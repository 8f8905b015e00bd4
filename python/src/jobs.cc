/// lieq.diagnose, allocate, export and check.

#include <string>
#include <utility>

#include <fmt/format.h>
#include <nanobind/stl/map.h>

#include "lieq/allocate/allocate.h"
#include "lieq/pipeline/check.h"
#include "lieq/pipeline/diagnose.h"
#include "lieq/pipeline/export.h"
#include "lieq/pipeline/plan.h"
#include "loaded_model.h"
#include "options.h"
#include "records.h"
#include "work.h"

namespace lieq::python {
namespace {

/// str, or a sequence of them.
std::vector<std::string> texts_of(nb::handle value, const char* place) {
  if (nb::isinstance<nb::str>(value) || nb::hasattr(value, "__fspath__"))
    return {nb::cast<std::string>(nb::module_::import_("os").attr("fspath")(value))};
  std::vector<std::string> texts;
  for (const nb::handle one : value) {
    if (!nb::isinstance<nb::str>(one) && !nb::hasattr(one, "__fspath__"))
      throw nb::type_error(fmt::format("{}: expected a str, a path or a sequence of them", place).c_str());
    texts.push_back(nb::cast<std::string>(nb::module_::import_("os").attr("fspath")(one)));
  }
  return texts;
}

struct DiagnoseArguments {
  pipeline::DiagnoseOptions job;
  nb::object progress = nb::none();
  Keywords keywords;
  DiagnoseArguments() {
    keywords.add_object("texts", "str | os.PathLike[str] | collections.abc.Sequence[str]",
                        "texts, a corpus each: .txt, .jsonl, or a data set such as 'wikitext2'; None: the calibration "
                        "text",
                        [this](nb::handle value) { job.texts = texts_of(value, "texts"); });
    keywords.add("fields", job.fields,
                 "the field of a .jsonl record that holds the text: one name, or one for each text");
    keywords.add("alpha", job.alpha, "weight of the perplexity drop; None: the paper's");
    keywords.add("beta", job.beta, "weight of the compactness; None: the paper's");
    keywords.add("gamma", job.gamma, "weight of the energy gain; None: the paper's");
    add_diagnosis(keywords, job.diagnosis);
    keywords.add("widths", job.widths, "also quantise each layer alone to so many bits, and measure the KL divergence");
    keywords.add("running", job.running, "measure that in this quantised form of the model; '': in the model itself");
    keywords.add("kl_share_bits", job.kl_share_bits,
                 "also quantise all layers to so many bits with little care, and share KL out among the linears");
    keywords.add("group_size", job.group_size, "of both: weights that share a scale; 0: a whole row");
    add_calibration(keywords, job.calibration);
    add_progress(keywords, progress);
  }
};

nb::object diagnose(nb::object model, const nb::kwargs& given) {
  DiagnoseArguments arguments;
  arguments.keywords.read("diagnose", given);
  const Source source = source_of(model, "model");
  arguments.job.model = source.name;
  const LayerScores scores = run(arguments.progress, [&](Threads& threads, Sink& sink) {
    if (source.loaded) return pipeline::diagnose(arguments.job, source.loaded->bundle, threads, sink);
    return pipeline::diagnose(arguments.job, threads, sink);
  });
  return record("LayerScores", to_json(scores));
}

struct AllocateArguments {
  allocate::AllocateOptions options;
  std::optional<allocate::Ranking> ranking;
  BudgetWords budget;
  Keywords keywords;
  AllocateArguments() {
    budget.add_to(keywords);
    keywords.add("choices", options.choices, "widths a layer may get");
    keywords.add_name(
        "rank", ranking, allocate::kRankings, [](allocate::Ranking one) { return allocate::name(one); },
        "what orders the layers; None: 'score', or 'kl-share' where per is not 'layer'");
    keywords.add_name(
        "per", options.unit, allocate::kUnits, [](allocate::Unit unit) { return allocate::name(unit); },
        "what gets a width of its own; fused (q, k, v; o; gate, up; down) and linear: by shares of KL");
    keywords.add("group_size", options.group_size, "weights that share a scale: part of true bits and size");
    keywords.add("k_blocks", options.k_blocks, "codes lie in K blocks of GGUF");
    keywords.add("rest_bits", options.rest_bits, "width of embeddings, norms and head: part of size");
    keywords.add("seed", options.seed, "of rank 'random'");
  }
};

nb::object allocate_bits(nb::object scores, const nb::kwargs& given) {
  AllocateArguments arguments;
  arguments.keywords.read("allocate", given);
  arguments.options.ranking = arguments.ranking.value_or(allocate::ranking_for(arguments.options.unit));
  arguments.options.budget = arguments.budget.budget().value_or(pipeline::kPaperBudget);
  if (arguments.options.k_blocks) arguments.options.group_size = kKBlockSize;
  return record("BitPlan", to_json(value_of(allocate::allocate(scores_of(scores), arguments.options))));
}

struct ExportArguments {
  pipeline::ExportOptions job;
  std::optional<std::string> embed;
  nb::object progress = nb::none();
  Keywords keywords;
  ExportArguments() {
    keywords.add_path("output", job.output,
                      "file or folder to make; of several targets a folder for all of them; empty: beside the model");
    keywords.add("embed", embed, "type of embedding and head: f16, bf16, f32, q8_0, q6_k or q4_0; None: as they are");
    add_progress(keywords, progress);
  }
};

nb::object export_to(nb::object model, nb::object to, const nb::kwargs& given) {
  ExportArguments arguments;
  arguments.keywords.read("export", given);
  arguments.job.model = file_of(model);
  arguments.job.targets = texts_of(to, "to");
  if (arguments.embed) arguments.job.embed = value_of(save::embed_type(*arguments.embed));
  const auto records = run(arguments.progress, [&](Threads& threads, Sink& sink) {
    return pipeline::export_model(arguments.job, threads, sink);
  });
  nb::list made;
  for (const save::ExportRecord& one : records) made.append(record("ExportRecord", fields_of(one)));
  return made;
}

struct CheckArguments {
  std::string engine;
  nb::object progress = nb::none();
  Keywords keywords;
  CheckArguments() {
    keywords.add("engine", engine, "one of the table's; empty: all");
    add_progress(keywords, progress);
  }
};

nb::object check(nb::object model, const nb::kwargs& given) {
  CheckArguments arguments;
  arguments.keywords.read("check", given);
  const std::string name = file_of(model);
  return record("CheckRecord", to_json(run(arguments.progress, [&](Threads& threads, Sink& sink) {
                  return pipeline::check_engines(name, arguments.engine, threads, sink);
                })));
}

}  // namespace

void define_jobs(nb::module_& module) {
  const std::string model = std::string("model: ") + kModelType;
  def_with_keywords<DiagnoseArguments>(
      module, "diagnose", model, "lieq.records.LayerScores",
      "Scores how much each layer matters.\n\nmodel: a path, ORG/NAME on the hub, or a "
      "model that is loaded.",
      &diagnose, nb::arg("model"));
  def_with_keywords<AllocateArguments>(
      module, "allocate", "scores: lieq.records.LayerScores | str | os.PathLike[str]", "lieq.records.BitPlan",
      "Gives each layer its bits, within a budget: one of top, bits, true_bits and size; without any the paper's, one "
      "layer at the highest width.\n\nscores: of diagnose(), or the file that holds them.",
      &allocate_bits, nb::arg("scores"));
  def_with_keywords<ExportArguments>(module, "export",
                                     "model: str | os.PathLike[str] | Model, to: str | collections.abc.Sequence[str]",
                                     "list[lieq.records.ExportRecord]",
                                     "Writes a model for other engines; nothing is quantised again.\n\nto: 'gguf', "
                                     "'mlx', ... (the command lieq export "
                                     "--help lists them), or several.",
                                     &export_to, nb::arg("model"), nb::arg("to"));
  def_with_keywords<CheckArguments>(module, "check", model, "lieq.records.CheckRecord",
                                    "Which engines load a model, since when, how fast, and why not.", &check,
                                    nb::arg("model"));
}

}  // namespace lieq::python
