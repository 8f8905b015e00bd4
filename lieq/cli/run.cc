#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "lieq/cli/command.h"
#include "lieq/cli/run_options.h"
#include "lieq/cli/sampling.h"
#include "lieq/eval/bundle.h"
#include "lieq/eval/generate.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/sources.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/interrupts.h"
#include "lieq/text/stream_decoder.h"

namespace lieq::cli {
namespace run_verb {

struct Options {
  std::string model;
  PromptFlags prompt;
  SamplingFlags sampling;
  int max_new_tokens = 128;
  std::size_t context = 0;
  model::LoadOptions load;
  std::string activations = "int8";
  bool ignore_eos = false;
};

/// How many tokens prompt and answer may take together.
Result<std::size_t> context_size(const Options& options, const model::Model& model, std::size_t prompt) {
  const std::size_t most = model.config.max_position_embeddings;
  LIEQ_TRY(check_context(options.context, model));
  const std::size_t limit = options.context == 0 ? most : options.context;
  const std::size_t wanted = options.max_new_tokens < 0 ? 1 : static_cast<std::size_t>(options.max_new_tokens);
  if (prompt > limit || wanted > limit - prompt)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("prompt and new tokens: found {} + {}, expected at most {} = {} of {}", prompt, wanted,
                    options.context == 0 ? "max_position_embeddings" : "the context", limit, model.path.string()));
  return options.max_new_tokens < 0 ? limit : prompt + wanted;
}

void write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Result<void> run(const Options& options, const Common& common) {
  eval::GenerateOptions generate;
  LIEQ_ASSIGN(generate.sampling, options.sampling.over({}));
  terminal::Interrupts interrupts;
  Threads threads(common.threads);
  terminal::Console console;
  LIEQ_ASSIGN(const std::string prompt, options.prompt.read(console));
  LIEQ_ASSIGN(const eval::Bundle bundle, pipeline::load_bundle(options.model, threads, console, options.load));
  LIEQ_TRY(eval::GenerationConfig::load(bundle.model.path));  // a broken file is told, though run does not sample by it
  const std::vector<text::TokenId> ids = bundle.tokenizer.encode(prompt, text::SpecialTokens::kAdd);
  LIEQ_ASSIGN(const std::size_t context, context_size(options, bundle.model, ids.size()));
  generate.max_new_tokens = context - ids.size();
  generate.cancelled = terminal::Interrupts::pressed;
  if (!options.ignore_eos) generate.stop_tokens = eval::stop_tokens(bundle, {});
  model::RunState state(bundle.model, threads, activations_of(options.activations));
  eval::Sequence sequence(bundle.model.config, context);
  text::StreamDecoder decoder(bundle.tokenizer);
  for (const text::TokenId id : ids) (void)decoder.add(id);  // what a token looks like can depend on the one before it
  pipeline::tell(fmt::format("writing {} tokens", generate.max_new_tokens),
                 pipeline::generating_size(bundle.model, ids.size(), generate.max_new_tokens, sequence.cache.bytes()),
                 threads, console);
  write(prompt);
  interrupts.listen();
  LIEQ_ASSIGN(const eval::Generation generation,
              eval::generate(bundle.model, ids, generate, state, sequence, [&](text::TokenId id) {
                write(decoder.add(id));
                return true;
              }));
  write(decoder.finish() + "\n");
  Speed speed;
  speed.add(generation);
  speed.print();
  return {};
}

}  // namespace run_verb

Run add_run(OptionSet& app, const Common& common) {
  using namespace run_verb;
  const auto options = std::make_shared<Options>();
  app.add("MODEL", options->model, kModelHelp).required();
  options->prompt.add_to(app, "Text to continue");
  app.add("-n,--n-predict", options->max_new_tokens, "New tokens at most; -1: until the context is full")
      .show_default().range(-1, 1 << 20);
  app.add("-c,--ctx-size", options->context, "Tokens of prompt and answer at most (default: the model's limit)");
  options->sampling.add_to(app, "0");
  add_embed_bits(app, options->load);
  add_activations(app, options->activations);
  app.flag("--ignore-eos", options->ignore_eos, "Go on after an end-of-text token");
  return [options, &common]() -> Result<void> {
    if (!options->prompt.given())
      return fail(ErrorCode::kInvalidArgument, "prompt: missing, expected --prompt or --file");
    return run(*options, common);
  };
}

}  // namespace lieq::cli
