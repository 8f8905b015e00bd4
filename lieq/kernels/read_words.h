#pragma once
/// Plain reading, which bandwidth is measured with.

#include <cstdint>
#include <span>

#include "lieq/base/threads.h"

namespace lieq::kernels {

/// The sum of all words, modulo 2^64. Each thread reads four streams at a time: on the CPUs at hand, memory delivers
/// those faster than one.
[[nodiscard]] std::uint64_t read_words(Threads& threads, std::span<const std::uint64_t> words);

}  // namespace lieq::kernels
