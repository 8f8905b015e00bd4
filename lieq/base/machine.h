#pragma once
/// What a measurement was made on.

#include <cstddef>
#include <string>

namespace lieq {

struct Machine {
  std::string cpu;        ///< as the kernel names it; "unknown" where it does not
  std::size_t cores = 0;  ///< physical_cores()

  bool operator==(const Machine&) const = default;
};

[[nodiscard]] Machine this_machine();

}  // namespace lieq
