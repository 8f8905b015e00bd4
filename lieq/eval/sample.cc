#include "lieq/eval/sample.h"

#include <cmath>

#include "lieq/kernels/softmax.h"

namespace lieq::eval {

std::size_t pick_token(std::span<float> logits, double temperature, std::mt19937_64& random) {
  if (temperature <= 0) return kernels::arg_max(logits);
  for (float& value : logits) value = static_cast<float>(static_cast<double>(value) / temperature);
  const double log_sum = kernels::log_sum_exp(logits);
  double left = static_cast<double>(random() >> 11) * 0x1p-53;  // 53 random bits as a fraction
  for (std::size_t i = 0; i < logits.size(); ++i) {
    left -= std::exp(static_cast<double>(logits[i]) - log_sum);
    if (left < 0) return i;
  }
  return kernels::arg_max(logits);  // rounding left a sliver
}

}  // namespace lieq::eval
