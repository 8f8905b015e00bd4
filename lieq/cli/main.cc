/// The lieq command line. The only place that decides exit statuses: 0 success, 1 failure, 2 wrong usage, 3 made but
/// broken.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "lieq/base/version.h"
#include "lieq/cli/command.h"
#include "lieq/cli/last_words.h"
#include "lieq/cli/launch.h"
#include "lieq/cli/options.h"
#include "lieq/cli/shell_word.h"
#include "lieq/kernels/isa.h"

namespace lieq::cli {
namespace {

struct Verb {
  const char* name;
  const char* what;
  Run (*add)(OptionSet&, const Common&);
  bool knows_ranks = false;  ///< runs on several of them, the first alone writing and printing
};

constexpr Verb kVerbs[] = {
    {"pull", "Fetch a model or a data set from the Hugging Face hub", add_pull},
    {"inspect", "Show what a model is made of: sizes, widths, tokenizer", add_inspect},
    {"diagnose", "Score how much each layer matters", add_diagnose, true},
    {"allocate", "Give each layer its bits, within a budget", add_allocate},
    {"quantize", "All of it: diagnose, allocate, quantise, save, compare", add_quantize, true},
    {"refine", "Tune the scales of a quantised model by what the original says", add_refine},
    {"export", "Write a model for other engines: llama.cpp, GPTQModel, vLLM, MLX, transformers", add_export},
    {"check", "Which engines load a model, since when, how fast, and why not", add_check},
    {"prune", "Take whole layers out of a model", add_prune},
    {"eval", "Perplexity of one or more models on a text", add_eval, true},
    {"sweep", "Quantise a model in many ways and evaluate each", add_sweep, true},
    {"reproduce", "The paper's tables: its numbers beside ours", add_reproduce},
    {"bench", "Measure how fast models run here, or single packed linears beside dense ones", add_bench},
    {"report", "Draw results as one HTML page", add_report},
    {"run", "Continue a prompt", add_run},
    {"chat", "Talk with a model", add_chat},
    {"serve", "Answer clients over HTTP, in the form of OpenAI's API", add_serve},
    {"tokenize", "Turn lines of text into token ids, or back", add_tokenize},
};

int status_of(const Error& error) {
  if (error.code == ErrorCode::kInvalidArgument) return 2;
  return error.code == ErrorCode::kCollapsed ? 3 : 1;
}

/// Whether all ranks may do this together. Errors: kInvalidArgument.
Result<void> check_ranks(Ranks& ranks, const Verb& verb) {
  if (ranks.size() == 1) return {};
  if (!verb.knows_ranks) {
    std::string known;
    for (const Verb& one : kVerbs)
      if (one.knows_ranks) known += (known.empty() ? "" : ", ") + std::string(one.name);
    return fail(ErrorCode::kInvalidArgument, std::string(verb.name) + ": found " + std::to_string(ranks.size()) +
                                                 " ranks, expected one: only " + known + " share work out");
  }
  const std::vector<std::string> names = all_texts(ranks, std::string(kernels::isa_name()));
  for (std::size_t r = 1; r < names.size(); ++r)
    if (names[r] != names[0])
      return fail(ErrorCode::kInvalidArgument, "instruction sets: found " + names[0] + " on rank 0 and " + names[r] +
                                                   " on rank " + std::to_string(r) +
                                                   ", expected one, as results depend on it: set LIEQ_ISA for all");
  return {};
}

Result<void> run(std::vector<std::string> words, const Launch& launch) {
  LIEQ_TRY(launch.check());
  Common common;
  common.ranks = &launch.ranks();
  common.command = "lieq";
  for (const std::string& word : words) common.command.append(" ").append(shell_word(word));
  // llama.cpp's; one dash and several letters mean something else here
  std::ranges::replace(words, "-sys", "--system");
  std::ranges::replace(words, "-np", "--parallel");

  bool offline = false;
  OptionSet program("lieq", "Layer-wise mixed 2/4-bit quantization of small language models");
  program.add("-t,--threads", common.threads, "Threads (default: physical cores)").range(1, 1024);
  program.flag("--offline", offline, "Use models and data that are here, and no network (as HF_HUB_OFFLINE=1)");
  std::vector<Run> runs;
  for (const Verb& verb : kVerbs) {
    OptionSet& options = program.verb(verb.name, verb.what);
    const bool may_be_chosen = std::ranges::find(words, verb.name) != words.end();
    runs.push_back(may_be_chosen ? verb.add(options, common) : Run());
  }
  LIEQ_ASSIGN(const Parsed parsed, parse(program, std::string("lieq ") + kVersion, std::move(words)));
  if (!parsed.verb) {
    std::fputs(parsed.text.c_str(), stdout);
    return {};
  }
  if (offline) setenv("HF_HUB_OFFLINE", "1", 1);
  if (const char* isa = std::getenv("LIEQ_ISA")) {
    LIEQ_TRY(kernels::use_isa(isa));
  }
  LIEQ_TRY(check_ranks(launch.ranks(), kVerbs[*parsed.verb]));
  return runs[*parsed.verb]();
}

int run(std::vector<std::string> words) {
  const Launch launch;
  try {
    const Result<void> result = run(std::move(words), launch);
    if (!result) return launch.fail(result.error().message, status_of(result.error()));
    if (const std::string line = launch.summary(); !line.empty() && launch.ranks().is_first())
      std::fprintf(stderr, "%s\n", line.c_str());
    return 0;
  } catch (const std::bad_alloc&) {
    return launch.fail("out of memory", 1);
  } catch (const std::exception& error) {
    return launch.fail(error.what(), 1);
  }
}

}  // namespace
}  // namespace lieq::cli

int main(int argc, char** argv) {
  const lieq::cli::LastWords last_words;
  try {
    return lieq::cli::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {  // before there was anything to tell of
    std::fprintf(stderr, "lieq: %s\n", error.what());
    return 1;
  }
}
