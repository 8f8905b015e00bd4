#pragma once
/// Counters for Prometheus.

#include <string>

#include "lieq/serve/service.h"

namespace lieq::serve {

/// The text format, version 0.0.4.
[[nodiscard]] std::string metrics_text(const Service& service);

}  // namespace lieq::serve
