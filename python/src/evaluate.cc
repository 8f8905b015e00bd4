/// lieq.evaluate.

#include <array>
#include <string>
#include <utility>

#include "lieq/hub/environment.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/pipeline/sources.h"
#include "loaded_model.h"
#include "options.h"
#include "records.h"
#include "work.h"

namespace lieq::python {
namespace {

struct EvaluateArguments {
  pipeline::EvaluateOptions job;
  std::optional<std::string> protocol;
  nb::object progress = nb::none();
  Keywords keywords;

  EvaluateArguments() {
    if (const auto cache = hub::cache_folder()) job.journals = *cache / "eval";
    keywords.add_path("text", job.text,
                      "a .txt file, .jsonl with a document a line, or a data set such as 'wikitext2'");
    keywords.add("tasks", job.tasks,
                 "piqa, arc_easy, arc_challenge, boolq, hellaswag, winogrande, mmlu, wikitext2, ...");
    keywords.add("protocol", protocol, "how perplexity is measured: gptq (None is that), llamacpp or lm-eval");
    keywords.add("window", job.window, "tokens in a window; 0: the protocol's");
    keywords.add("stride", job.stride, "tokens from one window to the next; 0: the window");
    keywords.add("chunks", job.chunks, "score so many windows only; 0: all");
    keywords.add("field", job.field, "the field of a .jsonl record that holds the text");
    keywords.add("rows", job.rows, "join the lines of the text as those of WikiText");
    keywords.add_path("tasks_dir", job.tasks_dir, "folder to look in first for the data of the tasks");
    keywords.add("limit", job.limit, "questions of each task, or below 1 a share of them; 0: all");
    keywords.add("num_fewshot", job.num_fewshot, "solved examples before each question of mmlu");
    keywords.add("batch_size", job.batch_size, "questions that run together; 0: as many as make about 2048 tokens");
    add_compute(keywords, job.compute);
    add_load(keywords, job.load);
    keywords.add("samples", job.samples, "folder for a log of every question");
    add_progress(keywords, progress);
  }
};

/// Models that were loaded before, and those that are now.
Result<pipeline::EvaluateRecord> evaluate_all(const pipeline::EvaluateOptions& job, const std::vector<Source>& sources,
                                              Threads& threads, Sink& sink) {
  LIEQ_TRY(pipeline::check(job));
  std::vector<std::unique_ptr<eval::Bundle>> loaded;
  std::vector<const eval::Bundle*> bundles;
  for (const Source& source : sources) {
    if (!source.loaded) {
      LIEQ_ASSIGN(eval::Bundle bundle, pipeline::load_bundle(source.name, threads, sink, job.load));
      loaded.push_back(std::make_unique<eval::Bundle>(std::move(bundle)));
    }
    bundles.push_back(source.loaded ? &source.loaded->bundle : loaded.back().get());
  }
  return pipeline::evaluate(job, std::move(bundles), threads, sink);
}

nb::object evaluate(nb::object models, const nb::kwargs& given) {
  EvaluateArguments arguments;
  arguments.keywords.read("evaluate", given);
  if (arguments.protocol) arguments.job.protocol = value_of(eval::protocol_of(*arguments.protocol));
  std::vector<Source> sources;
  const bool many = nb::isinstance<nb::list>(models) || nb::isinstance<nb::tuple>(models);
  const nb::object all = many ? models : nb::object(nb::make_tuple(models));
  for (const nb::handle one : all) sources.push_back(source_of(one, "models"));
  if (sources.empty()) refuse("models: found none, expected at least one");
  for (const Source& source : sources) arguments.job.models.push_back(source.name);
  const auto made = run(arguments.progress, [&](Threads& threads, Sink& sink) {
    return evaluate_all(arguments.job, sources, threads, sink);
  });
  Json texts = Json::array(), tasks = Json::array();
  for (const EvalRecord& one : made.texts) texts.push_back(to_json(one));
  for (const TaskResults& one : made.tasks) tasks.push_back(fields_of(one));
  return record("Evaluation", {{"texts", std::move(texts)}, {"tasks", std::move(tasks)}});
}

}  // namespace

void define_evaluate(nb::module_& module) {
  def_with_keywords<EvaluateArguments>(
      module, "evaluate",
      "models: str | os.PathLike[str] | Model | collections.abc.Sequence[str | os.PathLike[str] | Model]",
      "lieq.records.Evaluation",
      "Perplexity on a text, or zero-shot tasks, of one or more models; the first is the reference, and the KL "
      "divergence of the others to it is measured where they share its tokens. Interrupted questions go on from where "
      "they were.",
      &evaluate, nb::arg("models"));
}

}  // namespace lieq::python
