#pragma once
/// The tensors of a GPTQ checkpoint for one linear (FORMATS.md section 4), and lieq's half-integer variant of them.
///
///   qweight [in * bits / 32, out]      codes of one output, along the input, as a dense little-endian bit stream
///   qzeros  [groups, out * bits / 32]  one field a group and output, along the output, the same stream
///   scales  [groups, out]              IEEE half
///   g_idx   [in]                       group of each input
///
/// Code k of a stream lies at bits [bits * k, bits * (k + 1)); word w holds bits [32 w, 32 (w + 1)). With 3 bits, codes
/// 10 and 21 of each 32 cross a word border.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/pack/grouped_matrix.h"
#include "lieq/pack/packed_matrix.h"
#include "lieq/pack/quantized_matrix.h"

namespace lieq::pack {

/// What a field of qzeros holds for the zero point z.
enum class ZeroFormat {
  kV1,    ///< z - 1, so z >= 1: "checkpoint_format": "gptq"
  kV2,    ///< z: "gptq_v2"
  kHalf,  ///< 2 z - 1, z in {0.5, 1, ..., 2^(bits-1)}: lieq's own, for the `half` grid
};

/// The tensors where they lie, in a mapped file or in memory.
struct GptqView {
  std::size_t in = 0, out = 0, groups = 0;
  unsigned bits = 0;
  std::span<const std::int32_t> qweight, qzeros;
  std::span<const std::uint16_t> scales;
  std::span<const std::int32_t> g_idx;
};

struct GptqTensors {
  std::size_t in = 0, out = 0, groups = 0;
  unsigned bits = 0;
  std::vector<std::int32_t> qweight, qzeros;
  std::vector<std::uint16_t> scales;
  std::vector<std::int32_t> g_idx;

  [[nodiscard]] GptqView view() const { return {in, out, groups, bits, qweight, qzeros, scales, g_idx}; }
};

/// Packs a matrix. Errors, naming `place`: kInvalidArgument when `in` or `out` does not fill whole words (in % 32;
/// out % (32 / bits), with 3 bits out % 32), or a zero point that the format cannot hold.
[[nodiscard]] Result<GptqTensors> pack_gptq(const QuantizedMatrix& matrix, ZeroFormat format, const std::string& place);

/// Reads tensors from a file. v1 zero points are restored by adding one to each field with the carry running through
/// the word for 2, 4 and 8 bits (undoing writers that subtracted from whole words) and within the field for 3 bits.
/// g_idx of the form j / group_size becomes an empty one.
/// Errors, naming `place`: kInvalidFormat when array sizes contradict in, out, bits and groups, or g_idx is out of
/// range or its groups differ in size; kUnsupported for other bits.
[[nodiscard]] Result<QuantizedMatrix> unpack_gptq(const GptqView& tensors, ZeroFormat format, const std::string& place);

/// As unpack_gptq(), for scales that are no halves (scales: [groups, out]; those of `tensors` are not read) and groups
/// that differ in size, as a short last one does. Errors: as unpack_gptq(), but for sizes without a common divisor.
[[nodiscard]] Result<GroupedMatrix> group_gptq(Threads& threads, const GptqView& tensors, std::span<const float> scales,
                                               ZeroFormat format, const std::string& place);

/// PackedMatrix(threads, unpack_gptq(...)), made in parallel from whole words where groups are consecutive and of whole
/// units. Errors: as unpack_gptq().
[[nodiscard]] Result<PackedMatrix> repack_gptq(Threads& threads, const GptqView& tensors, ZeroFormat format,
                                               const std::string& place);

}  // namespace lieq::pack
