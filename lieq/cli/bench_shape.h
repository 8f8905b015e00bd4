#pragma once
/// Latency of one linear at given shapes, widths and numbers of tokens (the paper's Figure 4).

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"

namespace lieq::cli {

struct BenchShapeOptions {
  std::vector<std::string> shapes;  ///< "INxOUT"
  std::vector<unsigned> bits = {2, 4};
  std::vector<std::size_t> tokens = {1, 4, 16, 64, 256, 1024, 2048};
  std::size_t group_size = 64;
  double seconds = 0.5;             ///< for each kernel at each number of tokens
  std::string inputs = "both";      ///< of packed weights: "int8", "fp32" or "both"
  bool dense = true;                ///< measure dense weights too
  std::string output;               ///< JSON, or empty
};

/// Prints a table, and writes JSON: packed weights with 8-bit and with float32 inputs beside dense float32 and bfloat16
/// ones, all through kernels::linear, and the bandwidth that plainly reading the packed weights reaches. Runs alternate
/// and the best of each counts; weights are used in rotation, so that they come from memory and not from a cache.
/// Errors: kInvalidArgument naming the option.
[[nodiscard]] Result<void> bench_shapes(const BenchShapeOptions& options, Threads& threads);

}  // namespace lieq::cli
