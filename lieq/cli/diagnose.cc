#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "lieq/base/layer_scores.h"
#include "lieq/cli/command.h"
#include "lieq/cli/console.h"
#include "lieq/cli/table.h"
#include "lieq/diagnose/diagnose.h"
#include "lieq/diagnose/score.h"
#include "lieq/eval/bundle.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {
namespace {

struct Options {
  std::string model, output;
  std::vector<std::string> texts, fields = {"text"};
  std::optional<double> alpha, beta, gamma;
  diagnose::DiagnoseOptions diagnose;
};

/// Every corpus to be diagnosed on: one for each file.
Result<std::vector<diagnose::Corpus>> read_corpora(const Options& options, Sink& sink) {
  if (options.texts.empty())
    return fail(ErrorCode::kInvalidArgument, "--text: found none, expected a .txt or .jsonl file to diagnose the model on");
  if (options.fields.size() != 1 && options.fields.size() != options.texts.size())
    return fail(ErrorCode::kInvalidArgument, fmt::format("--field: found {} names, expected one, or one for each of the {} texts",
                                                         options.fields.size(), options.texts.size()));
  std::vector<diagnose::Corpus> corpora;
  for (std::size_t i = 0; i < options.texts.size(); ++i) {
    const std::string& field = options.fields[options.fields.size() == 1 ? 0 : i];
    LIEQ_ASSIGN(diagnose::Corpus corpus, diagnose::read_corpus(options.texts[i], sink, field));
    corpora.push_back(std::move(corpus));
  }
  return corpora;
}

std::string optional_text(const std::optional<double>& value, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

void print(const LayerScores& scores) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    const LayerScore& layer = scores.layers[l];
    rows.push_back({std::to_string(l), optional_text(layer.perplexity_drop, "{:.3f}"), fmt::format("{:.4f}", layer.compactness),
                    fmt::format("{:.4f}", layer.energy_gain), fmt::format("{:.4f}", layer.score), std::to_string(layer.rank)});
  }
  fmt::print("{}\n", table({"layer", "ppl drop", "compactness", "energy gain", "score", "rank"}, rows));

  rows.clear();
  for (const CellScores& cell : scores.cells)
    rows.push_back({cell.corpus, cell.bucket, std::to_string(cell.passages), std::to_string(cell.tokens),
                    optional_text(cell.perplexity, "{:.3f}"), optional_text(cell.rho_compactness, "{:.2f}"),
                    optional_text(cell.rho_energy_gain, "{:.2f}")});
  fmt::print("{}\n", table({"corpus", "tokens each", "passages", "tokens", "perplexity", "rho(drop, compactness)", "rho(drop, energy)"},
                           rows));
  const ScoreOptions& o = scores.options;
  fmt::print("score {} = {:.3g} ppl drop + {:.3g} compactness + {:.3g} energy gain, {} normalisation, top-k {}, {} draws (seed {})\n",
             o.score, o.alpha, o.beta, o.gamma, o.normalize, o.top_k, o.draws, o.seed);
}

Result<void> run(Options options, const Common& common) {
  Threads threads(common.threads);
  Console console;
  LIEQ_TRY(diagnose::set_weights(options.diagnose.score, options.alpha, options.beta, options.gamma));
  LIEQ_ASSIGN(const auto corpora, read_corpora(options, console));
  LIEQ_ASSIGN(const eval::Bundle bundle, eval::Bundle::load(options.model, threads, console));
  diagnose::CutOptions cut;
  cut.per_bucket = options.diagnose.score.per_bucket;
  cut.longest = std::min(cut.longest, bundle.model.config.max_position_embeddings);
  LIEQ_ASSIGN(const auto cells, diagnose::cut_passages(corpora, bundle.tokenizer, cut, threads, console));
  LIEQ_ASSIGN(const LayerScores scores,
              diagnose::diagnose(bundle.model, options.model, cells, options.diagnose, threads, console));
  print(scores);
  for (const std::string& warning : scores.warnings) console.warn(warning);
  if (options.output.empty()) return {};
  return io::write_file(options.output, to_json(scores).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

Run add_diagnose(CLI::App& app, const Common& common) {
  const auto options = std::make_shared<Options>();
  ScoreOptions& score = options->diagnose.score;
  const auto count = CLI::Range(1, 1 << 20);
  app.add_option("MODEL", options->model, "A Hugging Face model folder or a .gguf file")->required();
  app.add_option("--output,-o", options->output, "Write the scores as JSON, for lieq allocate");
  app.add_option("--text", options->texts, "Texts, one corpus each: .txt, a passage a line, or .jsonl, a document a line");
  app.add_option("--field", options->fields, "The field of a .jsonl record that holds the text: one name, or one for each text")
      ->capture_default_str();
  app.add_option("--per-bucket", score.per_bucket, "Passages for each text and length (33-128 and 129-512 tokens)")
      ->check(count)->capture_default_str();
  app.add_option("--score", score.score, "geometry: from the projections alone; lieq: with the perplexity drop, which takes long (fewer --per-bucket shorten it)")
      ->check(CLI::IsMember({"geometry", "lieq"}))->capture_default_str();
  app.add_flag("--perplexity-drop", options->diagnose.perplexity_drop, "Measure the perplexity drop even if the score does not use it");
  app.add_option("--normalize", score.normalize, "How metrics are made comparable: minmax, sum, zscore, rank or log")
      ->check(CLI::IsMember({"minmax", "sum", "zscore", "rank", "log"}))->capture_default_str();
  app.add_option("--alpha", options->alpha, "Weight of the perplexity drop (default: 1/3 with --score lieq, 0 with geometry)");
  app.add_option("--beta", options->beta, "Weight of the compactness (default: 1/3, or 1/2)");
  app.add_option("--gamma", options->gamma, "Weight of the energy gain (default: 1/3, or 1/2)");
  app.add_option("--top-k", score.top_k, "Singular values the energy gain counts")->check(count)->capture_default_str();
  app.add_option("--draws", score.draws, "Random matrices each projection is compared with")->check(count)->capture_default_str();
  app.add_option("--seed", score.seed, "Of the random matrices")->capture_default_str();
  app.add_option("--passages", score.passages, "Passages for each text and length that the geometry averages over")
      ->check(count)->capture_default_str();
  app.add_option("--geometry-input", score.geometry_input, "normed: what the projections read; residual: before the norm")
      ->check(CLI::IsMember({"normed", "residual"}))->capture_default_str();
  app.add_option("--memory", options->diagnose.memory, "Bytes for the perplexity drop's activations, e.g. 2GiB (default: 1GiB)")
      ->transform(CLI::AsSizeValue(true));
  app.add_option("--compute", score.compute, "Arithmetic of the forward passes: fp32, or bf16 with float32 sums")
      ->check(CLI::IsMember({"fp32", "bf16"}))->capture_default_str();
  return [options, &common] { return run(*options, common); };
}

}  // namespace lieq::cli
