#pragma once
/// Drawing a token from logits.

#include <cstddef>
#include <random>
#include <span>

namespace lieq::eval {

/// The arg-max when `temperature` is 0, else a draw from softmax(logits / temperature). Scales `logits` in place.
/// Portable: depends on the bits of std::mt19937_64 only, not on a library's distributions.
[[nodiscard]] std::size_t pick_token(std::span<float> logits, double temperature, std::mt19937_64& random);

}  // namespace lieq::eval
