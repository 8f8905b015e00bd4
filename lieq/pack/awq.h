#pragma once
/// The tensors of an AWQ checkpoint in its GEMM layout, 4 bits only (FORMATS.md section 5).
///
///   qweight [in, out / 8]      eight outputs a word: nibble i of word c holds output 8 c + order[i]
///   qzeros  [groups, out / 8]  zero points, the same order
///   scales  [groups, out]
///
/// order = 0 2 4 6 1 3 5 7. weight = scale * (code - zero). Non-goals: the GEMV layouts.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/pack/grouped_matrix.h"

namespace lieq::pack {

/// The tensors where they lie; `scales` as float32.
struct AwqView {
  std::size_t in = 0, out = 0, groups = 0;  ///< groups divides in; out is a multiple of 8
  std::span<const std::int32_t> qweight, qzeros;
  std::span<const float> scales;
};

struct AwqTensors {
  std::vector<std::int32_t> qweight, qzeros;
  std::vector<std::uint16_t> scales;
};

[[nodiscard]] GroupedMatrix unpack_awq(Threads& threads, const AwqView& tensors);

/// Errors, naming `place`: kInvalidArgument for other widths, outputs that do not fill words, groups that are not
/// consecutive columns, minima, or zero points that are no integers below 16.
[[nodiscard]] Result<AwqTensors> pack_awq(const QuantizedMatrix& matrix, const std::string& place);

}  // namespace lieq::pack
