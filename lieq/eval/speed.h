#pragma once
/// How fast a model runs on this machine, measured as llama-bench does: a prompt in one pass with logits of its last
/// token only, and single tokens one after the other from an empty context. Tokens are arbitrary; nothing is sampled.

#include <cstddef>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/model/forward.h"

namespace lieq::eval {

struct SpeedOptions {
  std::size_t prompt_tokens = 512;  ///< 0: no prompt test
  std::size_t new_tokens = 128;     ///< 0: no decoding test
  std::size_t repetitions = 5;
};

/// Tokens per second of each repetition, in order.
struct Rates {
  std::vector<double> values;

  [[nodiscard]] double mean() const;
  /// Sample standard deviation; 0 for fewer than two repetitions.
  [[nodiscard]] double deviation() const;
  [[nodiscard]] double best() const;
};

struct Speed {
  Rates prompt, decode;
  std::size_t cache_bytes = 0;      ///< keys and values of the longer of the tests
  std::size_t bytes_per_token =
      0;  ///< what decoding one token reads: linears, head, and half of the test's keys and values
};

/// Each test runs once unmeasured, then in turn with the other one, so that a busy spell of the machine meets both.
/// Errors: kInvalidArgument when a test does not fit max_position_embeddings.
[[nodiscard]] Result<Speed> measure_speed(const model::Model& model, const SpeedOptions& options,
                                          model::RunState& state);

/// Bytes per second that `threads` together read from memory: the best of a few passes over 256 MiB.
[[nodiscard]] double read_bandwidth(Threads& threads);

/// The memory of this process that is resident now, in bytes; 0 where the system does not say.
[[nodiscard]] std::size_t resident_bytes();

}  // namespace lieq::eval
