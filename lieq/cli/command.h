#pragma once
/// What every verb of the command line is made of.

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"

namespace lieq::cli {

/// Options all verbs share.
struct Common {
  std::size_t threads = physical_cores();
  std::string command;  ///< the whole command line, as a shell would take it
};

/// A verb registers its options on `app` and returns what runs when it is chosen.
using Run = std::function<Result<void>()>;
[[nodiscard]] Run add_pull(CLI::App& app, const Common& common);
[[nodiscard]] Run add_inspect(CLI::App& app, const Common& common);
[[nodiscard]] Run add_tokenize(CLI::App& app, const Common& common);
[[nodiscard]] Run add_diagnose(CLI::App& app, const Common& common);
[[nodiscard]] Run add_allocate(CLI::App& app, const Common& common);
[[nodiscard]] Run add_quantize(CLI::App& app, const Common& common);
[[nodiscard]] Run add_eval(CLI::App& app, const Common& common);
[[nodiscard]] Run add_sweep(CLI::App& app, const Common& common);
[[nodiscard]] Run add_reproduce(CLI::App& app, const Common& common);
[[nodiscard]] Run add_bench(CLI::App& app, const Common& common);
[[nodiscard]] Run add_chat(CLI::App& app, const Common& common);
[[nodiscard]] Run add_report(CLI::App& app, const Common& common);
[[nodiscard]] Run add_run(CLI::App& app, const Common& common);

}  // namespace lieq::cli
