#pragma once
/// Which instruction set the kernels use: the best one this CPU has, or the one that was asked for.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::kernels {

/// Those this CPU and this build have, best first: "avx512-amx", "avx512-vnni", "avx512", "avx2-vnni", "avx2", "sse4",
/// "ssse3", "neon-i8mm", "neon-dotprod", "neon", and "scalar" at the end.
[[nodiscard]] std::vector<std::string> isa_names();

/// The one in use.
[[nodiscard]] std::string isa_name();

/// Uses `name` from now on, in the whole process; not while kernels run. "auto": the best.
/// Errors: kInvalidArgument listing isa_names().
[[nodiscard]] Result<void> use_isa(std::string_view name);

/// For the kernels: true if the dot product that a Highway target does not know about is there and may be used.
[[nodiscard]] bool has_dot_product(std::int64_t target);
/// The same for products of small matrices (AMX, Arm i8mm); there is a dot product then too.
[[nodiscard]] bool has_matrix_product(std::int64_t target);

}  // namespace lieq::kernels
