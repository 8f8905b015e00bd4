#pragma once
/// Storage types of tensors, dense or in blocks, and the conversion of the 16-bit floats.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lieq {

/// Element types of safetensors, then the block types of GGUF. A block type stores
/// block_elements() consecutive weights of a row in block_bytes() bytes.
enum class DType {
  kF32, kF16, kBF16, kF64, kI8, kU8, kI16, kU16, kI32, kU32, kI64, kU64, kBool, kF8E4M3, kF8E5M2,
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K, kQ2_0,
  kIQ1_S, kIQ1_M, kIQ2_XXS, kIQ2_XS, kIQ2_S, kIQ3_XXS, kIQ3_S,
  kIQ4_NL, kIQ4_XS, kTQ1_0, kTQ2_0, kMXFP4,
};

/// The name safetensors or GGUF uses, e.g. "BF16", "Q4_K".
[[nodiscard]] std::string_view name(DType type);
/// Elements of one block; 1 for plain element types.
[[nodiscard]] std::size_t block_elements(DType type);
/// Bytes of one block, or of one element of a plain type.
[[nodiscard]] std::size_t block_bytes(DType type);
/// Bytes of `elements` consecutive elements; nothing when they are no whole number of
/// blocks or the product overflows.
[[nodiscard]] std::optional<std::size_t> bytes_of(DType type, std::size_t elements);
/// Bits of the codes alone per element: 16 for F16, 4 for Q4_K, 2 for Q2_0, ...
[[nodiscard]] double code_bits(DType type);

/// bfloat16 bits to float32: exact.
[[nodiscard]] inline float bf16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}
/// float32 to bfloat16 bits, round to nearest even; NaN stays NaN.
[[nodiscard]] std::uint16_t float_to_bf16(float value);
/// IEEE half-precision bits to float32: exact, subnormals included.
[[nodiscard]] inline float f16_to_float(std::uint16_t bits) {
  // Masks instead of branches, so that loops over it vectorise; and no float32 subnormal on the way,
  // which would be slow, and zero under flush-to-zero.
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t shifted = static_cast<std::uint32_t>(bits & 0x7FFF) << 13;
  const std::uint32_t exponent = shifted >> 23;
  const std::uint32_t is_subnormal = 0U - static_cast<std::uint32_t>(exponent == 0);  // all ones, or 0
  const std::uint32_t is_special = 0U - static_cast<std::uint32_t>(exponent == 31);   // infinity, NaN
  const std::uint32_t normal = shifted + (112U << 23) + (is_special & (112U << 23));  // bias 15 -> 127, 31 -> 255
  // Exponent 0: 2^-14 x 1.mantissa, less 2^-14, is exact.
  const auto subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(shifted | (113U << 23)) - 0x1p-14F);
  return std::bit_cast<float>(sign | (is_subnormal & subnormal) | (~is_subnormal & normal));
}
/// float32 to IEEE half-precision bits, round to nearest even; overflow gives infinity.
[[nodiscard]] std::uint16_t float_to_f16(float value);

}  // namespace lieq
