#include "lieq/cli/sampling.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"
#include "lieq/base/utf8.h"

namespace lieq::cli {

void SamplingFlags::add_to(OptionSet& app, const std::string& defaults) {
  app.add("--temp,--temperature", temperature,
          "Sampling temperature; 0: always the most likely token (default: " + defaults + ")");
  app.add("--top-k", top_k, "Sample from the k most likely tokens; 0: all").range(0, 1 << 30);
  app.add("--top-p", top_p, "Sample from the fewest tokens whose probabilities reach this sum; 1: all");
  app.add("--min-p", min_p, "Sample from tokens at least this times as likely as the likeliest; 0: all");
  app.add("--repeat-penalty", repeat_penalty, "Make the last 64 tokens less likely; 1: no");
  app.add("-s,--seed", seed, "Seed of the sampling").show_default();
}

Result<eval::SamplingOptions> SamplingFlags::over(eval::SamplingOptions defaults) const {
  defaults.temperature = temperature.value_or(defaults.temperature);
  defaults.top_k = top_k.value_or(defaults.top_k);
  defaults.top_p = top_p.value_or(defaults.top_p);
  defaults.min_p = min_p.value_or(defaults.min_p);
  defaults.repeat_penalty = repeat_penalty.value_or(defaults.repeat_penalty);
  defaults.seed = seed;
  LIEQ_TRY(eval::check(defaults));
  return defaults;
}

void PromptFlags::add_to(OptionSet& app, const std::string& what) {
  const Option& prompt = app.add("-p,--prompt", text, what);
  app.add("-f,--file", file, "A file with the prompt").excludes(prompt);
}

Result<std::string> PromptFlags::read(Sink& sink) const {
  std::string raw = text;
  if (!file.empty()) {
    LIEQ_ASSIGN(raw, io::read_file(file));
    if (raw.ends_with('\n')) raw.pop_back();  // the one that editors put there
  }
  RepairedText repaired = repair_utf8(raw);
  if (repaired.replaced > 0)
    sink.warn(fmt::format("prompt: {} invalid UTF-8 sequences replaced by U+FFFD", repaired.replaced));
  return std::move(repaired.text);
}

void Speed::add(const eval::Generation& generation) {
  prompt_tokens += generation.prompt_tokens;
  prompt_seconds += generation.prompt_seconds;
  new_tokens += generation.tokens.size();
  steps += generation.tokens.empty() ? 0 : generation.tokens.size() - 1;  // the first one came with the prompt
  decode_seconds += generation.decode_seconds;
}

void Speed::print() const {
  const auto rate = [](std::size_t tokens, double seconds) {
    return static_cast<double>(tokens) / std::max(seconds, 1e-9);
  };
  fmt::print(stderr, "\nprompt: {} tokens, {:.1f} tokens/s; decoding: {} tokens, {:.1f} tokens/s\n", prompt_tokens,
             rate(prompt_tokens, prompt_seconds), new_tokens, rate(steps, decode_seconds));
}

}  // namespace lieq::cli
