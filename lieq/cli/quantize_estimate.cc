#include "lieq/cli/quantize_estimate.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "lieq/cli/console.h"
#include "lieq/cli/table.h"
#include "lieq/kernels/gemm.h"

namespace lieq::cli {
namespace {

/// Floating-point operations a second of one thread, from a product of 512 x 512 x 512.
double measure_rate() {
  constexpr std::size_t n = 512;
  std::vector<float> a(n * n, 0.5F), b(n * n, 0.25F), c(n * n);
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const auto start = std::chrono::steady_clock::now();
    kernels::gemm_nt({a.data(), n, n}, {b.data(), n, n}, {c.data(), n, n});
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return 2.0 * n * n * n / best;
}

struct Work {
  double operations = 0, memory = 0;
};

Work work_of(const model::Model& model, const quantize::Options& options, double tokens) {
  const model::ModelConfig& c = model.config;
  const auto h = static_cast<double>(c.hidden_size), q = static_cast<double>(c.q_size()), m = static_cast<double>(c.intermediate_size);
  const double streams = options.corrected_target ? 2 : 1;
  const double weights = static_cast<double>(linears_footprint(model).parameters);
  // Each distinct input has a Hessian, of which half is computed, and with correction a product of both streams.
  const double squares = 2 * h * h + q * q + m * m;
  Work work;
  work.operations = tokens * (2 * weights * streams + static_cast<double>(model.layers.size()) * squares * (options.corrected_target ? 3 : 1));
  const double layer = static_cast<double>(footprint(model.layers.front()).parameters);
  work.memory = 4 * tokens * (h * streams + q + h) + std::min(4 * tokens * m, 1073741824.0) + 20 * std::max({h, q, m}) * std::max({h, q, m}) + 16 * layer;
  return work;
}

}  // namespace

std::string estimate_text(const model::Model& model, const BitPlan& plan, const quantize::Options& options, std::size_t tokens,
                          std::size_t threads, const std::string& output) {
  const Work work = work_of(model, options, options.method == quantize::Method::kRtn ? 0 : static_cast<double>(tokens));
  const double seconds = 5 + work.operations / (measure_rate() * static_cast<double>(threads)) * 1.3;
  // Finished layers wait with a byte a weight until the folder is written.
  const double disk = size_of(plan).bytes + static_cast<double>(linears_footprint(model).parameters);
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(output, error).parent_path();
  while (!folder.empty() && folder != folder.root_path() && !std::filesystem::exists(folder, error)) folder = folder.parent_path();
  const auto space = std::filesystem::space(folder, error);
  return fmt::format("it takes about {}, {} of memory and {} of disk{}\n", duration_text(seconds),
                     bytes_text(static_cast<std::size_t>(work.memory)), bytes_text(static_cast<std::size_t>(disk)),
                     error ? "" : fmt::format(" ({} free)", bytes_text(space.available)));
}

}  // namespace lieq::cli
