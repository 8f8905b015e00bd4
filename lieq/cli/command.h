#pragma once
/// What every verb of the command line is made of.

#include <functional>
#include <string>

#include "lieq/base/ranks.h"
#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/cli/options.h"

namespace lieq::cli {

/// What the help says a MODEL may be.
inline constexpr const char* kModelHelp = "A Hugging Face model folder, a .gguf file, or ORG/NAME[:QUANT] on the hub";

/// Options all verbs share.
struct Common {
  std::size_t threads = physical_cores();
  std::string command;  ///< the whole command line, as a shell would take it
  /// The processes that do the work together; more than one only where main.cc says that the verb knows them.
  Ranks* ranks = &Ranks::alone();
};

/// A verb registers its options on `app` and returns what runs when it is chosen.
using Run = std::function<Result<void>()>;
[[nodiscard]] Run add_pull(OptionSet& app, const Common& common);
[[nodiscard]] Run add_inspect(OptionSet& app, const Common& common);
[[nodiscard]] Run add_tokenize(OptionSet& app, const Common& common);
[[nodiscard]] Run add_diagnose(OptionSet& app, const Common& common);
[[nodiscard]] Run add_allocate(OptionSet& app, const Common& common);
[[nodiscard]] Run add_quantize(OptionSet& app, const Common& common);
[[nodiscard]] Run add_export(OptionSet& app, const Common& common);
[[nodiscard]] Run add_check(OptionSet& app, const Common& common);
[[nodiscard]] Run add_prune(OptionSet& app, const Common& common);
[[nodiscard]] Run add_eval(OptionSet& app, const Common& common);
[[nodiscard]] Run add_sweep(OptionSet& app, const Common& common);
[[nodiscard]] Run add_reproduce(OptionSet& app, const Common& common);
[[nodiscard]] Run add_bench(OptionSet& app, const Common& common);
[[nodiscard]] Run add_chat(OptionSet& app, const Common& common);
[[nodiscard]] Run add_refine(OptionSet& app, const Common& common);
[[nodiscard]] Run add_report(OptionSet& app, const Common& common);
[[nodiscard]] Run add_run(OptionSet& app, const Common& common);
[[nodiscard]] Run add_serve(OptionSet& app, const Common& common);

}  // namespace lieq::cli
