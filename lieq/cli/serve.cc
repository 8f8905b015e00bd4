/// A server: what it is told by options, or by the environment variables of llama.cpp's server.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/cli/command.h"
#include "lieq/cli/run_options.h"
#include "lieq/eval/generate.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/serve/http_server.h"
#include "lieq/terminal/console.h"
#include "lieq/terminal/interrupts.h"

namespace lieq::cli {
namespace serve_verb {

struct Options {
  std::string positional, model;
  serve::HttpOptions http;
  serve::ServiceOptions service;
  std::string activations = "int8";
  double grace = 10;
};

/// Sets `target` where the variable is set; numbers are checked when the verb runs.
struct Environment {
  std::string problem;

  void text(const char* name, std::string& target) const {
    if (const char* value = std::getenv(name)) target = value;
  }
  template <class T>
  void number(const char* name, T& target) {
    const char* value = std::getenv(name);
    if (!value) return;
    char* end = nullptr;
    const unsigned long long read = std::strtoull(value, &end, 10);
    constexpr unsigned long long kMost = 1 << 30;
    if (end == value || *end != '\0' || *value == '-' || read > kMost) {
      problem = fmt::format("{}: found '{}', expected a whole number", name, value);
    } else {
      target = static_cast<T>(read);
    }
  }
};

std::string size_text(std::size_t bytes) {
  const double mib = static_cast<double>(bytes) / (1 << 20);
  return mib < 1024 ? fmt::format("{:.0f} MiB", mib) : fmt::format("{:.1f} GiB", mib / 1024);
}

/// When the cache is full and a slice of a prompt runs.
double memory_of(const serve::Service& service) {
  return pipeline::generating_size(service.bundle().model, eval::kPromptTokens, 0, service.cache_bytes()).memory;
}

void tell_start(const serve::Service& service, const std::string& host, int port) {
  const serve::SchedulerOptions& options = service.scheduler().options();
  fmt::print(
      "lieq: serving {} at http://{}:{}\n"
      "      {} of weights, up to {} of cache; {} texts at a time, {} more may wait, {} tokens each\n",
      service.name(), host.find(':') == std::string::npos ? host : '[' + host + ']', port,
      size_text(service.weight_bytes()), size_text(service.cache_bytes()), options.slots, options.queue,
      options.context);
  std::fflush(stdout);
}

void sleep_a_little() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

/// What streams is finished within the grace period; a second Ctrl-C ends it at once.
void finish(serve::Service& service, double grace) {
  terminal::Interrupts::forget();
  fmt::print(stderr, "\nlieq: no new requests; what is under way has {} s (Ctrl-C: none)\n", grace);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(grace);
  while (!terminal::Interrupts::pressed() && std::chrono::steady_clock::now() < end) {
    const serve::SchedulerState state = service.scheduler().state();
    if (state.running + state.waiting == 0) break;
    sleep_a_little();
  }
}

/// Until Ctrl-C. Errors: weights that are read where they lie in their file were written to; all answers from then on
/// would be wrong.
Result<void> serve_until_stopped(const serve::Service& service) {
  constexpr auto kBetweenLooks = std::chrono::seconds(1);
  auto look = std::chrono::steady_clock::now() + kBetweenLooks;
  for (; !terminal::Interrupts::pressed(); sleep_a_little()) {
    if (std::chrono::steady_clock::now() < look) continue;
    LIEQ_TRY(service.bundle().model.files.unchanged());
    look = std::chrono::steady_clock::now() + kBetweenLooks;
  }
  return {};
}

Result<void> run_server(const Options& options, const Common& common) {
  terminal::Console console;
  terminal::Interrupts interrupts(true);  // before all threads: they leave the signals to this one
  serve::HttpServer http(options.http);
  LIEQ_ASSIGN(const int port, http.bind());
  std::thread listener([&] { http.run(); });
  Threads threads(common.threads);
  interrupts.listen();
  serve::ServiceOptions service_options = options.service;
  service_options.compute = activations_of(options.activations);
  auto loaded = serve::Service::load(options.model, service_options, threads, console);
  std::shared_ptr<serve::Service> service;
  Result<void> intact;
  if (loaded && !terminal::Interrupts::pressed()) {
    service = std::move(*loaded);
    service->start();
    http.set_service(service);
    console.note(fmt::format("serving takes up to {} of memory beside the mapped model",
                             bytes_text(static_cast<std::size_t>(memory_of(*service)))));
    tell_start(*service, options.http.host, port);
    intact = serve_until_stopped(*service);
  }
  http.stop();
  if (service) {
    if (intact) finish(*service, options.grace);
    service->stop();
  }
  listener.join();
  if (!loaded) return Unexpected(std::move(loaded).error());
  return intact;
}

}  // namespace serve_verb

Run add_serve(OptionSet& app, const Common& common) {
  using namespace serve_verb;
  const auto options = std::make_shared<Options>();
  serve::HttpOptions& http = options->http;
  serve::ServiceOptions& service = options->service;
  Environment environment;
  environment.text("LLAMA_ARG_MODEL", options->model);
  environment.text("LLAMA_ARG_HOST", http.host);
  environment.number("LLAMA_ARG_PORT", http.port);
  environment.text("LLAMA_API_KEY", http.api_key);
  environment.text("LLAMA_ARG_ALIAS", service.alias);
  environment.text("LLAMA_ARG_CHAT_TEMPLATE", service.chat_template);
  environment.number("LLAMA_ARG_CTX_SIZE", service.context);
  environment.number("LLAMA_ARG_N_PARALLEL", service.slots);
  app.add("MODEL", options->positional, kModelHelp);
  app.add("-m,--model", options->model, "The same (LLAMA_ARG_MODEL)");
  app.add("--host", http.host, "Address to listen at (LLAMA_ARG_HOST)").show_default();
  app.add("--port", http.port, "Port; 0: a free one (LLAMA_ARG_PORT)").show_default().range(0, 65535);
  app.add("--api-key", http.api_key, "What clients have to send as 'Authorization: Bearer KEY' (LLAMA_API_KEY)");
  app.add("-a,--alias", service.alias, "The model's name for clients (LLAMA_ARG_ALIAS; default: its file's)");
  app.add("-c,--ctx-size", service.context,
          "Tokens of one text at most, prompt and answer (LLAMA_ARG_CTX_SIZE; default: the model's limit or 8192)");
  app.add("--parallel", service.slots, "Texts that run at a time (also -np; LLAMA_ARG_N_PARALLEL)")
      .show_default()
      .range(1, 256);
  app.add("--cache-tokens", service.cache_tokens,
          "Tokens whose keys and values fit into memory, of all texts together (default: --parallel times --ctx-size)");
  app.add("--queue", service.queue, "Texts that may wait; beyond them clients are told to come back")
      .show_default()
      .range(0, 1 << 16);
  app.add("--grace", options->grace, "Seconds for answers under way after Ctrl-C").show_default().range(0.0, 3600.0);
  app.add("--cors-origin", http.cors_origin, "Lets web pages of this origin (*: all) read answers");
  app.add("--chat-template", service.chat_template,
          "Instead of the model's own: chatml, llama2, llama3 or a Jinja file (LLAMA_ARG_CHAT_TEMPLATE)");
  add_embed_bits(app, service.load);
  add_activations(app, options->activations);
  return [options, problem = environment.problem, &common]() -> Result<void> {
    if (!problem.empty()) return fail(ErrorCode::kInvalidArgument, problem);
    if (!options->positional.empty()) options->model = options->positional;
    if (options->model.empty())
      return fail(ErrorCode::kInvalidArgument, "MODEL: missing, expected a model, or --model");
    options->http.threads = options->service.slots + options->service.queue + 64;
    return run_server(*options, common);
  };
}

}  // namespace lieq::cli
