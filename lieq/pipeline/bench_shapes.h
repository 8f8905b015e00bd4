#pragma once
/// Latency of one linear at given shapes, widths and numbers of tokens (the paper's Figure 4).

#include <cstddef>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/threads.h"

namespace lieq::pipeline {

struct BenchShapeOptions {
  std::vector<std::string> shapes;  ///< "INxOUT"
  std::vector<unsigned> bits = {2, 4};
  std::vector<std::size_t> tokens = {1, 4, 16, 64, 256, 1024, 2048};
  std::size_t group_size = 64;
  double seconds = 0.5;         ///< for each kernel at each number of tokens
  std::string inputs = "both";  ///< of packed weights: "int8", "fp32" or "both"
  bool dense = true;            ///< measure dense weights too
};

/// One kernel on one shape at one number of tokens: the best run of many.
struct ShapeTime {
  std::size_t in = 0, out = 0, tokens = 0;
  std::string kernel;                   ///< "dense fp32", "2-bit g64", "read": reading packed weights and nothing else
  unsigned bits = 0;                    ///< of packed weights
  std::size_t bytes = 0;                ///< of weights, each read at least once
  double seconds = 0, cpu_seconds = 0;  ///< the latter of all threads together
  double share_of_read = 0;             ///< its bytes a second over those of "read"; 0 for "read" itself
  double over_fp32 = 0, over_bf16 = 0;  ///< times as fast as the dense ones; 0: not measured

  [[nodiscard]] double bytes_per_second() const { return static_cast<double>(bytes) / seconds; }
  [[nodiscard]] double flops_per_second() const { return 2 * static_cast<double>(tokens * in * out) / seconds; }
};

struct ShapeTimes {
  std::string isa;
  /// rotation_bytes: copies of one kernel's weights take so many together, unless 64 copies take less.
  std::size_t threads = 0, group_size = 0, rotation_bytes = 0;
  std::vector<ShapeTime> times;
};

/// Packed weights with 8-bit and with float32 inputs beside dense float32 and bfloat16 ones, all through
/// kernels::linear, and the bandwidth that plainly reading the packed weights reaches. Runs alternate and the best of
/// each counts; weights are used in rotation, so that they come from memory and not from a cache.
/// Errors: kInvalidArgument naming the option.
[[nodiscard]] Result<ShapeTimes> bench_shapes(const BenchShapeOptions& options, Threads& threads);

/// The file of lieq bench --shape --output.
[[nodiscard]] Json to_json(const ShapeTimes& times);

}  // namespace lieq::pipeline
