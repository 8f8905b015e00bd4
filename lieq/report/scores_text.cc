#include "lieq/report/scores_text.h"

#include <optional>
#include <vector>

#include <fmt/format.h>

#include "lieq/report/text_table.h"

namespace lieq::report {
namespace {

std::string optional_text(const std::optional<double>& value, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

}  // namespace

std::string scores_text(const LayerScores& scores) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t l = 0; l < scores.layers.size(); ++l) {
    const LayerScore& layer = scores.layers[l];
    rows.push_back({std::to_string(l), optional_text(layer.perplexity_drop, "{:.3f}"),
                    fmt::format("{:.4f}", layer.compactness), fmt::format("{:.4f}", layer.energy_gain),
                    fmt::format("{:.4f}", layer.score), std::to_string(layer.rank)});
    for (const auto& [bits, kl] : layer.sensitivity) rows.back().push_back(fmt::format("{:.3g}", kl));
  }
  std::vector<std::string> head = {"layer", "ppl drop", "compactness", "energy gain", "score", "rank"};
  for (const auto& [bits, kl] : scores.layers.front().sensitivity) head.push_back(fmt::format("KL at {} bits", bits));
  std::string text = table(head, rows) + "\n";

  rows.clear();
  for (const CellScores& cell : scores.cells)
    rows.push_back({cell.corpus, cell.bucket, std::to_string(cell.passages), std::to_string(cell.tokens),
                    optional_text(cell.perplexity, "{:.3f}"), optional_text(cell.rho_compactness, "{:.2f}"),
                    optional_text(cell.rho_energy_gain, "{:.2f}")});
  text += table({"corpus", "tokens each", "passages", "tokens", "perplexity", "rho(drop, compactness)",
                 "rho(drop, energy)"},
                rows) +
          "\n";
  const ScoreOptions& o = scores.options;
  return text + fmt::format(
                    "score {} = {:.3g} ppl drop + {:.3g} compactness + {:.3g} energy gain, {} normalisation, top-k {}, "
                    "{} draws "
                    "(seed {})\n",
                    o.score, o.alpha, o.beta, o.gamma, o.normalize, o.top_k, o.draws, o.seed);
}

}  // namespace lieq::report
