#pragma once
/// A short name for a model's contents: equal for equal weights and configuration, whatever the file is called.

#include <cstdint>
#include <string>

#include "lieq/base/threads.h"
#include "lieq/model/model.h"

namespace lieq::model {

/// 16 hexadecimal digits from XXH3 over all stored tensors (name, type, shape, bytes) and the configuration's sizes.
/// Cost: one read of all weights. The same for any thread count.
[[nodiscard]] std::string fingerprint(const Model& model, Threads& threads);

/// The same for any bytes, e.g. calibration ids.
[[nodiscard]] std::string fingerprint(const void* data, std::size_t bytes);

}  // namespace lieq::model
