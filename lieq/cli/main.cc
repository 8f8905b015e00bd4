/// The lieq command line. The only place that decides exit statuses: 0 success, 1 failure, 2 wrong usage, 3 made but
/// broken.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "lieq/cli/command.h"
#include "lieq/cli/sweep_options.h"
#include "lieq/kernels/isa.h"

namespace {

int report(const std::string& message, int status) {
  std::fprintf(stderr, "lieq: %s\n", message.c_str());
  return status;
}

int status_of(lieq::ErrorCode code) {
  if (code == lieq::ErrorCode::kInvalidArgument) return 2;
  return code == lieq::ErrorCode::kCollapsed ? 3 : 1;
}

int run(int argc, char** argv) {
  using namespace lieq;
  cli::Common common;
  CLI::App app{"Layer-wise mixed 2/4-bit quantization of small language models"};
  app.name("lieq");
  app.set_version_flag("--version", "lieq " LIEQ_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("-t,--threads", common.threads, "Threads (default: physical cores)")->check(CLI::Range(1, 1024));
  app.add_flag_callback("--offline", [] { setenv("HF_HUB_OFFLINE", "1", 1); },
                        "Use models and data that are here, and no network (as HF_HUB_OFFLINE=1)");

  std::vector<std::pair<CLI::App*, cli::Run>> verbs;
  const auto add = [&](const char* name, const char* what, cli::Run (*make)(CLI::App&, const cli::Common&)) {
    CLI::App* verb = app.add_subcommand(name, what);
    verbs.emplace_back(verb, make(*verb, common));
  };
  add("pull", "Fetch a model or a data set from the Hugging Face hub", cli::add_pull);
  add("inspect", "Show what a model is made of: sizes, widths, tokenizer", cli::add_inspect);
  add("diagnose", "Score how much each layer matters", cli::add_diagnose);
  add("allocate", "Give each layer its bits, within a budget", cli::add_allocate);
  add("quantize", "All of it: diagnose, allocate, quantise, save, compare", cli::add_quantize);
  add("eval", "Perplexity of one or more models on a text", cli::add_eval);
  add("sweep", "Quantise a model in many ways and evaluate each", cli::add_sweep);
  add("reproduce", "The paper's tables: its numbers beside ours", cli::add_reproduce);
  add("bench", "Measure how fast models run here, or single packed linears beside dense ones", cli::add_bench);
  add("report", "Draw results as one HTML page", cli::add_report);
  add("run", "Continue a prompt", cli::add_run);
  add("chat", "Talk with a model", cli::add_chat);
  add("tokenize", "Turn lines of text into token ids, or back", cli::add_tokenize);

  try {
    std::vector<std::string> words(argv + 1, argv + argc);
    common.command = "lieq";
    for (const std::string& word : words) common.command += " " + cli::shell_word(word);
    std::ranges::replace(words, "-sys",
                         "--system");  // llama.cpp's; one dash and three letters mean something else here
    std::ranges::reverse(words);                      // as CLI11 wants them
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return report(std::string(error.what()) + " (see lieq --help)", 2);
  }
  if (const char* isa = std::getenv("LIEQ_ISA")) {
    if (const auto chosen = kernels::use_isa(isa); !chosen)
      return report(chosen.error().message, status_of(chosen.error().code));
  }
  for (const auto& [verb, execute] : verbs) {
    if (!verb->parsed()) continue;
    if (const auto result = execute(); !result) return report(result.error().message, status_of(result.error().code));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    return report("out of memory", 1);
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}
