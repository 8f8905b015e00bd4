#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lieq/allocate/allocate.h"
#include "lieq/cli/command.h"
#include "lieq/cli/table.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {
namespace {

struct Options {
  std::string scores, output, ranking = "score";
  std::optional<double> bits, true_bits;
  std::optional<std::uint64_t> top, size;
  std::vector<int> choices = {2, 4};
  allocate::AllocateOptions allocate;
};

Result<Budget> budget_of(const Options& options) {
  using Kind = Budget::Kind;
  std::vector<Budget> given;
  if (options.top) given.push_back({Kind::kTop, static_cast<double>(*options.top)});
  if (options.bits) given.push_back({Kind::kCodeBits, *options.bits});
  if (options.true_bits) given.push_back({Kind::kTrueBits, *options.true_bits});
  if (options.size) given.push_back({Kind::kBytes, static_cast<double>(*options.size)});
  if (given.size() != 1)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("budget: found {}, expected one of --top, --bits, --true-bits and --size", given.size()));
  return given.front();
}

void print(const BitPlan& plan) {
  fmt::print("layer  bits  why\n");
  for (std::size_t l = 0; l < plan.layers.size(); ++l)
    fmt::print("{:>5}  {:>4}  {}\n", l, plan.layers[l].bits, plan.layers[l].reason);
  const PlanSize size = size_of(plan);
  fmt::print("\n{:.4f} code bits, {:.4f} true bits per weight of the layers (groups of {}); compression {:.2f}x (codes alone)\n",
             size.code_bits, size.true_bits, plan.group_size, size.compression);
  fmt::print("whole model: {}, its other weights at {} bits", bytes_text(static_cast<std::size_t>(size.bytes)), plan.rest_bits);
  if (plan.budget.kind != Budget::Kind::kTop) fmt::print("; {:.0f} bits of the budget left unspent", std::max(0.0, size.unspent_bits));
  fmt::print("\n");
}

Result<void> run(Options options) {
  LIEQ_ASSIGN(options.allocate.budget, budget_of(options));
  LIEQ_ASSIGN(const Json json, read_json(options.scores));
  LIEQ_ASSIGN(const LayerScores scores, layer_scores_from_json(json, options.scores));
  for (const allocate::Ranking ranking : allocate::kRankings)
    if (allocate::name(ranking) == options.ranking) options.allocate.ranking = ranking;
  options.allocate.choices = options.choices;
  options.allocate.place = options.scores;
  LIEQ_ASSIGN(const BitPlan plan, allocate::allocate(scores, options.allocate));
  print(plan);
  if (options.output.empty()) return {};
  return io::write_file(options.output, to_json(plan).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

Run add_allocate(CLI::App& app, const Common& /*common*/) {
  const auto options = std::make_shared<Options>();
  std::vector<std::string> rankings;
  for (const allocate::Ranking ranking : allocate::kRankings) rankings.emplace_back(allocate::name(ranking));
  app.add_option("SCORES", options->scores, "scores.json of lieq diagnose")->required();
  app.add_option("--output,-o", options->output, "Write the plan as JSON, for lieq quantize --plan; it may be edited by hand");
  app.add_option("--top", options->top, "Give this many layers the highest width");
  app.add_option("--bits", options->bits, "Mean code bits per weight of the layers: the paper's number, without scales");
  app.add_option("--true-bits", options->true_bits, "Mean bits per weight of the layers with scales and zero points");
  app.add_option("--size", options->size, "Bytes of the whole model, e.g. 60MiB")->transform(CLI::AsSizeValue(true));
  app.add_option("--choices", options->choices, "Widths a layer may get: 2,4 or 2,3,4 (also 8, 16)")->delimiter(',')->capture_default_str();
  app.add_option("--rank", options->ranking, fmt::format("What orders the layers: {}", fmt::join(rankings, ", ")))
      ->check(CLI::IsMember(rankings))->capture_default_str();
  app.add_option("--group-size", options->allocate.group_size, "Weights that share a scale: part of true bits and size")
      ->capture_default_str();
  app.add_option("--rest-bits", options->allocate.rest_bits, "Width of embeddings, norms and head: part of size")->capture_default_str();
  app.add_option("--seed", options->allocate.seed, "Of --rank random")->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace lieq::cli
