#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "lieq/base/records.h"
#include "lieq/cli/arguments.h"
#include "lieq/cli/command.h"
#include "lieq/cli/console.h"
#include "lieq/cli/eval_table.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/perplexity.h"
#include "lieq/hub/data_sets.h"
#include "lieq/io/atomic_file.h"
#include "lieq/text/corpus.h"

namespace lieq::cli {
namespace {

struct Options {
  std::vector<std::string> models;
  std::string text, output, field = "text", compute = "fp32";
  std::size_t window = 0, chunks = 0;
  bool rows = false;
};

constexpr std::size_t kDefaultWindow = 2048;

/// The models whose ids for the text are the same: only their logits can be compared.
struct Group {
  std::vector<text::TokenId> ids;
  std::vector<std::size_t> members;  ///< indices of models
};

Result<std::size_t> choose_window(const Options& options, const std::vector<eval::Bundle>& bundles) {
  std::size_t window = options.window == 0 ? kDefaultWindow : options.window;
  for (const eval::Bundle& bundle : bundles) {
    const std::size_t limit = bundle.model.config.max_position_embeddings;
    if (window <= limit) continue;
    if (options.window > 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("--window: found {}, expected at most max_position_embeddings = {} of {}",
                                                           window, limit, bundle.model.path.string()));
    window = limit;
  }
  return window;
}

std::vector<Group> group_by_ids(const std::vector<eval::Bundle>& bundles, const std::string& text, Sink& sink) {
  std::vector<Group> groups;
  for (std::size_t m = 0; m < bundles.size(); ++m) {
    std::vector<text::TokenId> ids = bundles[m].tokenizer.encode(text, text::SpecialTokens::kAdd);
    const auto fits = [&](const Group& group) {
      return group.ids == ids && bundles[group.members[0]].model.config.vocab_size == bundles[m].model.config.vocab_size;
    };
    const auto found = std::ranges::find_if(groups, fits);
    if (found != groups.end()) {
      found->members.push_back(m);
    } else {
      if (m > 0)
        sink.warn(fmt::format("{}: its tokens for this text differ from those of {}: no KL or top-1 agreement, and its "
                              "perplexity per token does not compare",
                              bundles[m].model.path.string(), bundles[0].model.path.string()));
      groups.push_back({std::move(ids), {m}});
    }
  }
  return groups;
}

EvalRecord describe(const eval::Bundle& bundle, const std::string& label, const Options& options, std::size_t window) {
  EvalRecord record;
  describe_model(bundle.model, record);
  record.model = label;
  record.text = options.text;
  record.protocol = options.rows ? "gptq" : "windows";
  record.compute = options.compute;
  record.window = window;
  return record;
}

void print(const std::vector<EvalRecord>& records) {
  const EvalRecord& first = records.front();
  fmt::print("{}\n{}: {} tokens scored in windows of {}, {} arithmetic, {:.1f} s\n", eval_table(records), first.text,
             first.num_tokens, first.window, first.compute, first.seconds);
}

/// The last part of a path, without a trailing slash: what tables call a model.
std::string label_of(const std::string& path) {
  const std::filesystem::path clean = std::filesystem::path(path).lexically_normal();
  return clean.has_filename() ? clean.filename().string() : clean.parent_path().filename().string();
}

/// Labels are short names as long as they tell the models apart.
std::vector<std::string> labels_of(const std::vector<std::string>& paths) {
  std::vector<std::string> labels;
  for (const std::string& path : paths) labels.push_back(label_of(path));
  std::vector<std::string> sorted = labels;
  std::ranges::sort(sorted);
  return std::ranges::adjacent_find(sorted) == sorted.end() ? labels : paths;
}

Result<void> evaluate(const Options& options, const Common& common) {
  Threads threads(common.threads);
  Console console;
  const kernels::Compute compute = options.compute == "bf16" ? kernels::Compute::kBF16 : kernels::Compute::kF32;
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_text(options.text));
  LIEQ_ASSIGN(const std::string text,
              text::read_text(file, options.rows ? text::Join::kRows : text::Join::kWhole, console, options.field));
  std::vector<eval::Bundle> bundles;
  for (const std::string& path : options.models) {
    LIEQ_ASSIGN(eval::Bundle bundle, load_bundle(path, threads, console));
    bundles.push_back(std::move(bundle));
  }
  LIEQ_ASSIGN(const std::size_t window, choose_window(options, bundles));
  const std::vector<std::string> labels = labels_of(options.models);
  std::vector<EvalRecord> records(bundles.size());
  for (const Group& group : group_by_ids(bundles, text, console)) {
    std::span<const text::TokenId> ids = group.ids;
    if (ids.size() < window)
      return fail(ErrorCode::kInvalidArgument, fmt::format("{}: found {} tokens, expected at least one window of {} (--window)",
                                                           options.text, ids.size(), window));
    if (options.chunks > 0) ids = ids.first(std::min(ids.size(), options.chunks * window));
    std::vector<const model::Model*> models;
    for (const std::size_t m : group.members) models.push_back(&bundles[m].model);
    const auto start = std::chrono::steady_clock::now();
    LIEQ_ASSIGN(const auto scores, eval::score_windows(models, ids, window, threads, compute, console));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const std::size_t m = group.members[i];
      records[m] = describe(bundles[m], labels[m], options, window);
      records[m].seconds = seconds;
      eval::summarise(scores[i], records[m]);
      // Only the first model of all is a reference.
      if (group.members[0] != 0) records[m].kl = records[m].top1 = std::nullopt;
    }
  }
  print(records);
  if (options.output.empty()) return {};
  Json json = Json::array();
  for (const EvalRecord& record : records) json.push_back(to_json(record));
  return io::write_file(options.output, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

Run add_eval(CLI::App& app, const Common& common) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->models, "Hugging Face model folders, .gguf files, or ORG/NAME[:QUANT] on the hub; the first is the reference")->required();
  app.add_option("--text", options->text, "A .txt file, .jsonl with one document a line, or a data set of lieq pull such as wikitext2")->required();
  app.add_option("--window,-c", options->window, "Tokens in a window (default: 2048, or the model's limit if that is less)")
      ->check(CLI::Range(2, 1 << 24));
  app.add_option("--chunks", options->chunks, "Score this many windows only (default: all)")->check(CLI::Range(1, 1 << 30));
  app.add_flag("--rows", options->rows, "Join the lines as the GPTQ evaluation joins WikiText's rows, with two newlines");
  app.add_option("--field", options->field, "The field of a .jsonl record that holds the text")->capture_default_str();
  app.add_option("--compute", options->compute, "Arithmetic: fp32, or bf16 with float32 sums")
      ->check(CLI::IsMember({"fp32", "bf16"}))->capture_default_str();
  app.add_option("--output,-o", options->output, "Write the records as JSON");
  return [options, &common] { return evaluate(*options, common); };
}

}  // namespace lieq::cli
