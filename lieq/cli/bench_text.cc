#include "lieq/cli/bench_text.h"

#include <vector>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/pipeline/evaluate.h"
#include "lieq/report/text_table.h"

namespace lieq::cli {
namespace {

std::string rate_text(const eval::Rates& rates) {
  return fmt::format("{:.2f} ± {:.2f}", rates.mean(), rates.deviation());
}

std::string factor_text(double value) { return value > 0 ? fmt::format("{:.2f}", value) : "-"; }

}  // namespace

std::string speeds_text(const pipeline::ModelSpeeds& speeds, const pipeline::BenchModelsOptions& options) {
  std::vector<std::vector<std::string>> rows, memory;
  for (const pipeline::ModelSpeed& one : speeds.models) {
    const auto row = [&](const char* test, std::size_t tokens, const eval::Rates& rates) {
      if (tokens == 0) return;
      rows.push_back({fmt::format("{} ({})", one.name, one.format),
                      bytes_text(one.linears.bytes + one.embeddings.bytes),
                      fmt::format("{:.2f} M", static_cast<double>(one.parameters) * 1e-6),
                      std::to_string(speeds.threads), fmt::format("{}{}", test, tokens), rate_text(rates)});
    };
    row("pp", options.speed.prompt_tokens, one.speed.prompt);
    row("tg", options.speed.new_tokens, one.speed.decode);
    memory.push_back({one.name, fmt::format("{:.2f} s", one.load_seconds), bytes_text(one.linears.memory),
                      bytes_text(one.embeddings.memory), bytes_text(one.speed.cache_bytes), bytes_text(one.resident),
                      bytes_text(one.speed.bytes_per_token),
                      fmt::format("{:.1f} GB/s, {:.0f} %", one.decode_bandwidth() * 1e-9,
                                  100 * one.decode_bandwidth() / speeds.read_bandwidth)});
  }
  return report::table({"model", "size", "params", "threads", "test", "t/s"}, rows) + "\n" +
         report::table(
             {"model", "load", "linears", "embeddings", "cache", "resident", "read per token", "while decoding"},
             memory) +
         fmt::format("\n{} activations; {} threads read {:.1f} GB/s from memory\n",
                     pipeline::compute_name(options.compute), speeds.threads, speeds.read_bandwidth * 1e-9);
}

std::string shapes_text(const pipeline::ShapeTimes& all, double seconds) {
  std::vector<std::vector<std::string>> rows;
  for (const pipeline::ShapeTime& time : all.times) {
    const bool is_read = time.share_of_read == 0;
    rows.push_back({fmt::format("{}x{}", time.in, time.out), std::to_string(time.tokens), time.kernel,
                    fmt::format("{:.3f}", 1e3 * time.seconds),
                    is_read ? "-" : fmt::format("{:.1f}", 1e-9 * time.flops_per_second()),
                    fmt::format("{:.2f}", 1e-9 * time.bytes_per_second()),
                    is_read ? "-" : fmt::format("{:.0f} %", 100 * time.share_of_read), factor_text(time.over_fp32),
                    factor_text(time.over_bf16)});
  }
  return fmt::format(
      "{}\n{} threads, {}; up to 64 copies of the weights in rotation over {} MB, the best run of each within {:.2f} "
      "s\n",
      report::table({"shape", "tokens", "weights", "ms", "GFLOP/s", "GB/s", "of read", "x fp32", "x bf16"}, rows),
      all.threads, all.isa, all.rotation_bytes >> 20, seconds);
}

}  // namespace lieq::cli
