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
#include "lieq/cli/options.h"
#include "lieq/cli/shell_word.h"
#include "lieq/kernels/isa.h"

namespace lieq::cli {
namespace {

struct Verb {
  const char* name;
  const char* what;
  Run (*add)(OptionSet&, const Common&);
};

constexpr Verb kVerbs[] = {
    {"pull", "Fetch a model or a data set from the Hugging Face hub", add_pull},
    {"inspect", "Show what a model is made of: sizes, widths, tokenizer", add_inspect},
    {"diagnose", "Score how much each layer matters", add_diagnose},
    {"allocate", "Give each layer its bits, within a budget", add_allocate},
    {"quantize", "All of it: diagnose, allocate, quantise, save, compare", add_quantize},
    {"export", "Write a model for other engines: llama.cpp, GPTQModel, vLLM, MLX, transformers", add_export},
    {"check", "Which engines load a model, since when, how fast, and why not", add_check},
    {"prune", "Take whole layers out of a model", add_prune},
    {"eval", "Perplexity of one or more models on a text", add_eval},
    {"sweep", "Quantise a model in many ways and evaluate each", add_sweep},
    {"reproduce", "The paper's tables: its numbers beside ours", add_reproduce},
    {"bench", "Measure how fast models run here, or single packed linears beside dense ones", add_bench},
    {"report", "Draw results as one HTML page", add_report},
    {"run", "Continue a prompt", add_run},
    {"chat", "Talk with a model", add_chat},
    {"serve", "Answer clients over HTTP, in the form of OpenAI's API", add_serve},
    {"tokenize", "Turn lines of text into token ids, or back", add_tokenize},
};

int report(const std::string& message, int status) {
  std::fprintf(stderr, "lieq: %s\n", message.c_str());
  return status;
}

int report(const Error& error) {
  if (error.code == ErrorCode::kInvalidArgument) return report(error.message, 2);
  return report(error.message, error.code == ErrorCode::kCollapsed ? 3 : 1);
}

int run(std::vector<std::string> words) {
  Common common;
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
  const Result<Parsed> parsed = parse(program, std::string("lieq ") + kVersion, std::move(words));
  if (!parsed) return report(parsed.error());
  if (!parsed->verb) {
    std::fputs(parsed->text.c_str(), stdout);
    return 0;
  }
  if (offline) setenv("HF_HUB_OFFLINE", "1", 1);
  if (const char* isa = std::getenv("LIEQ_ISA")) {
    if (const auto chosen = kernels::use_isa(isa); !chosen) return report(chosen.error());
  }
  const auto result = runs[*parsed->verb]();
  return result ? 0 : report(result.error());
}

}  // namespace
}  // namespace lieq::cli

int main(int argc, char** argv) {
  const lieq::cli::LastWords last_words;
  try {
    return lieq::cli::run({argv + 1, argv + argc});
  } catch (const std::bad_alloc&) {
    return lieq::cli::report("out of memory", 1);
  } catch (const std::exception& error) {
    return lieq::cli::report(error.what(), 1);
  }
}
