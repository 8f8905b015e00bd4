#include "lieq/cli/bench_model.h"

#include <chrono>

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/cli/console.h"
#include "lieq/cli/run_options.h"
#include "lieq/cli/table.h"
#include "lieq/hub/pull.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {
namespace {

/// One model, measured.
struct Measured {
  std::string name, format;
  model::Footprint linears, embeddings;
  std::size_t parameters = 0, resident = 0;
  double load_seconds = 0;
  eval::Speed speed;

  [[nodiscard]] double decode_bandwidth() const {
    return speed.decode.mean() * static_cast<double>(speed.bytes_per_token);
  }
};

Result<Measured> measure(const std::string& path, const BenchModelOptions& options, Threads& threads, Sink& sink) {
  LIEQ_ASSIGN(const std::filesystem::path file, hub::find_model(path, sink));
  const std::size_t before = eval::resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  LIEQ_ASSIGN(const model::Model model, model::Model::load(file, threads, sink, options.load));
  Measured measured;
  measured.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::size_t after = eval::resident_bytes();
  measured.resident = after > before ? after - before : 0;
  measured.name = model_label(path);
  measured.linears = linears_footprint(model);
  measured.embeddings = embeddings_footprint(model);
  measured.parameters = parameter_count(model);
  measured.format = fmt::format("{:.2f} bits, head {}", measured.linears.mean_true_bits(), model.lm_head.format());
  model::RunState state(model, threads, activations_of(options.activations));
  LIEQ_ASSIGN(measured.speed, eval::measure_speed(model, options.speed, state));
  return measured;
}

std::string rate_text(const eval::Rates& rates) {
  return fmt::format("{:.2f} ± {:.2f}", rates.mean(), rates.deviation());
}

void print(const std::vector<Measured>& all, const BenchModelOptions& options, double bandwidth, std::size_t threads) {
  std::vector<std::vector<std::string>> rows, memory;
  for (const Measured& one : all) {
    const auto row = [&](const char* test, std::size_t tokens, const eval::Rates& rates) {
      if (tokens == 0) return;
      rows.push_back({fmt::format("{} ({})", one.name, one.format),
                      bytes_text(one.linears.bytes + one.embeddings.bytes),
                      fmt::format("{:.2f} M", static_cast<double>(one.parameters) * 1e-6), std::to_string(threads),
                      fmt::format("{}{}", test, tokens), rate_text(rates)});
    };
    row("pp", options.speed.prompt_tokens, one.speed.prompt);
    row("tg", options.speed.new_tokens, one.speed.decode);
    memory.push_back({one.name, fmt::format("{:.2f} s", one.load_seconds), bytes_text(one.linears.memory),
                      bytes_text(one.embeddings.memory), bytes_text(one.speed.cache_bytes), bytes_text(one.resident),
                      bytes_text(one.speed.bytes_per_token),
                      fmt::format("{:.1f} GB/s, {:.0f} %", one.decode_bandwidth() * 1e-9,
                                  100 * one.decode_bandwidth() / bandwidth)});
  }
  fmt::print("{}\n{}", table({"model", "size", "params", "threads", "test", "t/s"}, rows),
             table({"model", "load", "linears", "embeddings", "cache", "resident", "read per token", "while decoding"},
                   memory));
  fmt::print("\n{} activations; {} threads read {:.1f} GB/s from memory\n", options.activations, threads,
             bandwidth * 1e-9);
}

Json to_json(const Measured& one, const BenchModelOptions& options, double bandwidth, std::size_t threads) {
  const auto rates = [](std::size_t tokens, const eval::Rates& r) {
    return Json{
        {"tokens", tokens}, {"mean", r.mean()}, {"stddev", r.deviation()}, {"best", r.best()}, {"samples", r.values}};
  };
  return {{"model", one.name},
          {"threads", threads},
          {"activations", options.activations},
          {"parameters", one.parameters},
          {"linear_code_bits", one.linears.mean_code_bits()},
          {"linear_true_bits", one.linears.mean_true_bits()},
          {"load_seconds", one.load_seconds},
          {"memory",
           {{"linears", one.linears.memory},
            {"embeddings", one.embeddings.memory},
            {"cache", one.speed.cache_bytes},
            {"resident_after_load", one.resident}}},
          {"prompt_tokens_per_second", rates(options.speed.prompt_tokens, one.speed.prompt)},
          {"decode_tokens_per_second", rates(options.speed.new_tokens, one.speed.decode)},
          {"decode_bytes_per_token", one.speed.bytes_per_token},
          {"read_bandwidth", bandwidth},
          {"decode_share_of_bandwidth", one.decode_bandwidth() / bandwidth}};
}

}  // namespace

Result<void> bench_models(const BenchModelOptions& options, Threads& threads) {
  Console console;
  std::vector<Measured> all;
  for (const std::string& path : options.models) {
    LIEQ_ASSIGN(Measured measured, measure(path, options, threads, console));
    all.push_back(std::move(measured));
  }
  const double bandwidth = eval::read_bandwidth(threads);
  Json json = Json::array();
  for (const Measured& one : all) json.push_back(to_json(one, options, bandwidth, threads.count()));
  if (options.json) {
    fmt::print("{}\n", indented(json));
  } else {
    print(all, options, bandwidth, threads.count());
  }
  if (options.output.empty()) return {};
  return io::write_json(options.output, json);
}

}  // namespace lieq::cli
