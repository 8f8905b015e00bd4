#include <cstdio>

#include <fmt/format.h>

#include "lieq/cli/arguments.h"
#include "lieq/cli/command.h"
#include "lieq/cli/console.h"
#include "lieq/cli/run_options.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/generate.h"
#include "lieq/text/utf8.h"

namespace lieq::cli {
namespace {

struct Options {
  std::string model, prompt;
  eval::GenerateOptions generate;
  model::LoadOptions load;
  std::string activations = "int8";
  bool ignore_eos = false;
};

/// Prints text as tokens come, holding back a character until all of its bytes are there.
class Printer {
 public:
  explicit Printer(const text::Tokenizer& tokenizer, std::span<const text::TokenId> prompt)
      : tokenizer_(tokenizer), ids_(prompt.begin(), prompt.end()),
        printed_(tokenizer.decode(ids_, text::SpecialText::kSkip).size()) {}

  void add(text::TokenId id) {
    ids_.push_back(id);
    print(false);
  }
  void finish() {
    print(true);
    std::fputc('\n', stdout);
  }

 private:
  void print(bool last) {
    // The prompt is decoded along: what a token looks like can depend on the one before it.
    const std::string text = tokenizer_.decode(ids_, text::SpecialText::kSkip);
    if (text.size() <= printed_ || (!last && text.ends_with("\xEF\xBF\xBD"))) return;
    std::fwrite(text.data() + printed_, 1, text.size() - printed_, stdout);
    std::fflush(stdout);
    printed_ = text.size();
  }

  const text::Tokenizer& tokenizer_;
  std::vector<text::TokenId> ids_;
  std::size_t printed_;
};

Result<void> run(const Options& options, const Common& common) {
  Threads threads(common.threads);
  Console console;
  LIEQ_ASSIGN(const eval::Bundle bundle, load_bundle(options.model, threads, console, options.load));
  const text::RepairedText prompt = text::repair_utf8(options.prompt);
  if (prompt.replaced > 0)
    console.warn(fmt::format("prompt: {} invalid UTF-8 sequences replaced by U+FFFD", prompt.replaced));
  const std::vector<text::TokenId> ids = bundle.tokenizer.encode(prompt.text, text::SpecialTokens::kAdd);
  model::RunState state(bundle.model, threads, activations_of(options.activations));
  Printer printer(bundle.tokenizer, ids);
  fmt::print("{}", prompt.text);
  const std::size_t limit = bundle.model.config.max_position_embeddings;
  if (ids.size() + options.generate.max_new_tokens > limit)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("prompt and new tokens: found {} + {}, expected at most max_position_embeddings = {} of {}",
                            ids.size(), options.generate.max_new_tokens, limit, bundle.model.path.string()));
  eval::GenerateOptions generate = options.generate;
  if (!options.ignore_eos) generate.stop_tokens.assign(bundle.model.config.eos_token_id.begin(), bundle.model.config.eos_token_id.end());
  eval::Sequence sequence(bundle.model.config, ids.size() + generate.max_new_tokens);
  LIEQ_ASSIGN(const eval::Generation generation,
              eval::generate(bundle.model, ids, generate, state, sequence, [&](text::TokenId id) {
                printer.add(id);
                return true;
              }));
  printer.finish();
  const auto rate = [](std::size_t tokens, double seconds) { return static_cast<double>(tokens) / std::max(seconds, 1e-9); };
  const std::size_t steps = generation.tokens.empty() ? 0 : generation.tokens.size() - 1;  // the first came with the prompt
  fmt::print(stderr, "\nprompt: {} tokens, {:.1f} tokens/s; decoding: {} tokens, {:.1f} tokens/s\n", ids.size(),
             rate(ids.size(), generation.prompt_seconds), generation.tokens.size(), rate(steps, generation.decode_seconds));
  return {};
}

}  // namespace

Run add_run(CLI::App& app, const Common& common) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, kModelHelp)->required();
  app.add_option("-p,--prompt", options->prompt, "Text to continue")->required();
  app.add_option("-n,--n-predict", options->generate.max_new_tokens, "New tokens at most")->capture_default_str()->check(CLI::Range(1, 1 << 20));
  app.add_option("--temp", options->generate.sampling.temperature, "Sampling temperature; 0: always the most likely token")
      ->capture_default_str()->check(CLI::Range(0.0, 100.0));
  app.add_option("-s,--seed", options->generate.sampling.seed, "Seed of the sampling")->capture_default_str();
  add_embed_bits(app, options->load);
  add_activations(app, options->activations);
  app.add_flag("--ignore-eos", options->ignore_eos, "Go on after an end-of-text token");
  return [options, &common]() -> Result<void> { return run(*options, common); };
}

}  // namespace lieq::cli
