/// y = x Wᵀ from stored weights: the ladder from plain loops over one row at a time to slabs through oneDNN.
/// Run with --benchmark_filter=... ; GFLOP/s count 2 x tokens x out x in.

#include <benchmark/benchmark.h>

#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/kernels/linear.h"

namespace {

using namespace lieq;

struct Problem {
  std::vector<float> x, y;
  std::vector<std::uint16_t> w;
  pack::StoredMatrix matrix;
  std::size_t tokens, out, in;

  Problem(std::size_t t, std::size_t o, std::size_t i) : x(t * i, 0.5F), y(t * o), w(o * i, float_to_f16(0.25F)), tokens(t), out(o), in(i) {
    matrix = {"w", DType::kF16, o, i, reinterpret_cast<const std::byte*>(w.data()), 0, nullptr};
  }
};

void count_flops(benchmark::State& state, const Problem& p) {
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * static_cast<double>(p.tokens * p.out * p.in),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

/// Step 0: decode a row, multiply it with every token in a plain loop.
void plain(benchmark::State& state) {
  Problem p(static_cast<std::size_t>(state.range(0)), 1536, 576);
  std::vector<float> row(p.in);
  for (auto _ : state) {
    for (std::size_t o = 0; o < p.out; ++o) {
      kernels::decode_row(p.matrix, o, row.data());
      for (std::size_t t = 0; t < p.tokens; ++t) {
        float sum = 0;
        for (std::size_t i = 0; i < p.in; ++i) sum += p.x[t * p.in + i] * row[i];
        p.y[t * p.out + o] = sum;
      }
    }
    benchmark::DoNotOptimize(p.y.data());
  }
  count_flops(state, p);
}
BENCHMARK(plain)->Arg(1)->Arg(64);

/// Now: kernels::linear on the given number of threads.
void linear(benchmark::State& state, kernels::Compute compute) {
  Problem p(static_cast<std::size_t>(state.range(0)), 1536, 576);
  Threads threads(static_cast<std::size_t>(state.range(1)));
  kernels::LinearScratch scratch;
  for (auto _ : state)
    kernels::linear(threads, p.matrix, {}, {p.x.data(), p.tokens, p.in}, compute, scratch, {p.y.data(), p.tokens, p.out});
  count_flops(state, p);
}
BENCHMARK_CAPTURE(linear, fp32, kernels::Compute::kF32)->ArgsProduct({{1, 64, 512, 2048}, {1, 2}})->UseRealTime();
BENCHMARK_CAPTURE(linear, bf16, kernels::Compute::kBF16)->ArgsProduct({{64, 512, 2048}, {1, 2}})->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
