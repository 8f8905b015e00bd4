#pragma once
/// How evaluated models are shown: one row each.

#include <string>
#include <vector>

#include "lieq/base/records.h"

namespace lieq::cli {

/// model, code bits, true bits, size, perplexity with standard error, KL and top-1 agreement.
[[nodiscard]] std::string eval_table(const std::vector<EvalRecord>& records);

}  // namespace lieq::cli
