#include <algorithm>
#include <memory>

#include "lieq/base/layer_scores.h"
#include "lieq/cli/calibration_options.h"
#include "lieq/cli/command.h"
#include "lieq/cli/output.h"
#include "lieq/io/atomic_file.h"
#include "lieq/pipeline/diagnose.h"
#include "lieq/report/figures.h"
#include "lieq/report/scores_text.h"
#include "lieq/terminal/console.h"

namespace lieq::cli {
namespace diagnose_verb {

struct Options {
  pipeline::DiagnoseOptions job;
  std::string output, svg;
  std::int64_t group_size = 64;
};

Result<void> run(Options options, const Common& common) {
  const bool first = common.ranks->is_first();
  for (const std::string& file : {options.output, options.svg})
    if (first && !file.empty()) LIEQ_TRY(io::prepare_output(file));
  options.job.group_size = static_cast<std::size_t>(std::max<std::int64_t>(options.group_size, 0));
  Threads threads(common.threads, *common.ranks);
  terminal::Console console(!first);
  LIEQ_ASSIGN(const LayerScores scores, pipeline::diagnose(options.job, threads, console));
  if (!first) return {};
  show(report::scores_text(scores));
  for (const std::string& warning : scores.warnings) console.warn(warning);
  if (!options.svg.empty()) LIEQ_TRY(io::write_file(options.svg, report::figure_svg(report::depth_figure(scores))));
  if (options.output.empty()) return {};
  return io::write_json(options.output, to_json(scores));
}

}  // namespace diagnose_verb

Run add_diagnose(OptionSet& app, const Common& common) {
  using namespace diagnose_verb;
  const auto options = std::make_shared<Options>();
  ScoreOptions& score = options->job.diagnosis.score;
  app.add("MODEL", options->job.model, kModelHelp).required();
  app.add("--output,-o", options->output, "Write the scores as JSON, for lieq allocate");
  app.add("--svg", options->svg, "Draw the metrics against depth, with the best four layers marked, as an SVG");
  app.add("--text", options->job.texts,
          "Texts, one corpus each: .txt, a passage a line, or .jsonl, a document a line (default: the calibration "
          "text)");
  app.add("--field", options->job.fields,
          "The field of a .jsonl record that holds the text: one name, or one for each text")
      .show_default();
  app.add("--per-bucket", score.per_bucket, "Passages for each text and length (33-128 and 129-512 tokens)")
      .range(1, 1 << 20).show_default();
  app.add("--score", score.score,
          "geometry: from the projections alone; lieq: with the perplexity drop, which takes long (fewer "
          "--per-bucket shorten it)")
      .one_of({"geometry", "lieq"}).show_default();
  app.flag("--perplexity-drop", options->job.diagnosis.perplexity_drop,
           "Measure the perplexity drop even if the score does not use it");
  app.add("--normalize", score.normalize, "How metrics are made comparable: minmax, sum, zscore, rank or log")
      .one_of({"minmax", "sum", "zscore", "rank", "log"}).show_default();
  app.add("--alpha", options->job.alpha,
          "Weight of the perplexity drop (default: 1/3 with --score lieq, 0 with geometry)");
  app.add("--beta", options->job.beta, "Weight of the compactness (default: 1/3, or 1/2)");
  app.add("--gamma", options->job.gamma, "Weight of the energy gain (default: 1/3, or 1/2)");
  app.add("--top-k", score.top_k, "Singular values the energy gain counts").range(1, 1 << 20).show_default();
  app.add("--draws", score.draws, "Random matrices each projection is compared with").range(1, 1 << 20).show_default();
  app.add("--seed", score.seed, "Of the random matrices").show_default();
  app.add("--passages", score.passages, "Passages for each text and length that the geometry averages over")
      .range(1, 1 << 20).show_default();
  app.add("--geometry-input", score.geometry_input, "normed: what the projections read; residual: before the norm")
      .one_of({"normed", "residual"}).show_default();
  app.add("--memory", options->job.diagnosis.memory,
          "Bytes for the perplexity drop's activations, e.g. 2GiB (default: 1GiB)")
      .bytes();
  app.add("--compute", score.compute, "Arithmetic of the forward passes: fp32, or bf16 with float32 sums")
      .one_of({"fp32", "bf16"}).show_default();
  const Option& sensitivity = app.add("--sensitivity", options->job.widths,
          "Also quantise each layer alone to so many bits, e.g. 2,4, and measure the KL divergence it causes")
      .comma_separated().one_at_a_time().one_of({2, 3, 4, 8});
  app.add("--running", options->job.running,
          "For --sensitivity: measure it in this quantised form of MODEL, whose other layers stay as they are there")
      .needs(sensitivity);
  app.add("--kl-shares", options->job.kl_share_bits,
          "Also quantise all layers to so many bits with little care, and share KL out among the linears")
      .one_of({2, 3, 4, 8});
  app.add("--group-size", options->group_size,
          "For --sensitivity and --kl-shares: weights that share a scale; -1: a whole row")
      .range(-1, 1 << 20).show_default();
  add_calibration_options(app, options->job.calibration);
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
