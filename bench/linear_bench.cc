/// y = x Wᵀ from stored weights: the ladder from plain loops over one row at a time to slabs through oneDNN, then
/// packed codes. Run with --benchmark_filter=... ; GFLOP/s count 2 x tokens x out x in.

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

  Problem(std::size_t t, std::size_t o, std::size_t i)
      : x(t * i, 0.5F), y(t * o), w(o * i, float_to_f16(0.25F)), tokens(t), out(o), in(i) {
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
    kernels::linear(threads, p.matrix, {}, {p.x.data(), p.tokens, p.in}, compute, scratch,
                    {p.y.data(), p.tokens, p.out});
  count_flops(state, p);
}
BENCHMARK_CAPTURE(linear, fp32, kernels::Compute::kF32)->ArgsProduct({{1, 64, 512, 2048}, {1, 2}})->UseRealTime();
BENCHMARK_CAPTURE(linear, bf16, kernels::Compute::kBF16)->ArgsProduct({{64, 512, 2048}, {1, 2}})->UseRealTime();

/// Packed weights, the ladder of one token: decode rows and multiply them; float32 inputs; 8-bit inputs in plain loops;
/// 8-bit inputs.
struct Packed {
  pack::StoredMatrix matrix;
  std::vector<float> x, y;

  Packed(unsigned bits, std::size_t tokens, std::size_t out, std::size_t in) : x(tokens * in, 0.5F), y(tokens * out) {
    pack::QuantizedMatrix m{out,
                            in,
                            bits,
                            64,
                            std::vector<std::uint8_t>(out * in, 1),
                            std::vector<std::uint16_t>(out * in / 64, float_to_f16(0.01F)),
                            std::vector<std::uint16_t>(out * in / 64, 3),
                            {}};
    Threads team(1);
    matrix = {"w", DType::kF32, out, in, nullptr, 0, std::make_shared<const pack::PackedMatrix>(team, m)};
  }
};

void packed_decode_rows(benchmark::State& state) {
  Packed p(static_cast<unsigned>(state.range(0)), 1, 1536, 576);
  std::vector<float> row(576);
  for (auto _ : state) {
    for (std::size_t i = 0; i < 1536; ++i) {
      kernels::decode_row(p.matrix, i, row.data());
      p.y[i] = 0;
      for (std::size_t j = 0; j < 576; ++j) p.y[i] += row[j] * p.x[j];
    }
    benchmark::DoNotOptimize(p.y.data());
  }
}
BENCHMARK(packed_decode_rows)->Arg(2)->Arg(4);

void packed_reference(benchmark::State& state) {
  Packed p(static_cast<unsigned>(state.range(0)), 1, 1536, 576);
  Threads threads(1);
  kernels::Int8Inputs inputs;
  for (auto _ : state) {
    kernels::round_to_int8(threads, *p.matrix.packed, {p.x.data(), 1, 576}, inputs);
    kernels::multiply_int8_reference(
        {p.matrix.packed.get(), &inputs, {}, {p.y.data(), 1, 1536}, 0, p.matrix.packed->blocks(), 0, 1});
  }
}
BENCHMARK(packed_reference)->Arg(2)->Arg(4);

void packed(benchmark::State& state, kernels::Compute compute) {
  const auto tokens = static_cast<std::size_t>(state.range(1));
  Packed p(static_cast<unsigned>(state.range(0)), tokens, 1536, 576);
  Threads threads(1);
  kernels::LinearScratch scratch;
  for (auto _ : state)
    kernels::linear(threads, p.matrix, {}, {p.x.data(), tokens, 576}, compute, scratch, {p.y.data(), tokens, 1536});
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * 1536 * 576 * static_cast<double>(tokens),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK_CAPTURE(packed, fp32, kernels::Compute::kF32)->ArgsProduct({{2, 3, 4, 8}, {1, 16, 512}});
BENCHMARK_CAPTURE(packed, int8, kernels::Compute::kInt8)->ArgsProduct({{2, 3, 4, 8}, {1, 16, 512}});

}  // namespace

BENCHMARK_MAIN();
