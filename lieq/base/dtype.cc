#include "lieq/base/dtype.h"

#include <cmath>

#include "lieq/base/check.h"

namespace lieq {
namespace {

struct Row {
  DType type;
  std::string_view name;
  std::size_t elements, bytes;
  double code_bits;
};

constexpr Row kTypes[] = {
    {DType::kF32, "F32", 1, 4, 32},        {DType::kF16, "F16", 1, 2, 16},
    {DType::kBF16, "BF16", 1, 2, 16},      {DType::kF64, "F64", 1, 8, 64},
    {DType::kI8, "I8", 1, 1, 8},           {DType::kU8, "U8", 1, 1, 8},
    {DType::kI16, "I16", 1, 2, 16},        {DType::kU16, "U16", 1, 2, 16},
    {DType::kI32, "I32", 1, 4, 32},        {DType::kU32, "U32", 1, 4, 32},
    {DType::kI64, "I64", 1, 8, 64},        {DType::kU64, "U64", 1, 8, 64},
    {DType::kBool, "BOOL", 1, 1, 8},       {DType::kF8E4M3, "F8_E4M3", 1, 1, 8},
    {DType::kF8E5M2, "F8_E5M2", 1, 1, 8},  {DType::kQ4_0, "Q4_0", 32, 18, 4},
    {DType::kQ4_1, "Q4_1", 32, 20, 4},     {DType::kQ5_0, "Q5_0", 32, 22, 5},
    {DType::kQ5_1, "Q5_1", 32, 24, 5},     {DType::kQ8_0, "Q8_0", 32, 34, 8},
    {DType::kQ2_K, "Q2_K", 256, 84, 2},    {DType::kQ3_K, "Q3_K", 256, 110, 3},
    {DType::kQ4_K, "Q4_K", 256, 144, 4},   {DType::kQ5_K, "Q5_K", 256, 176, 5},
    {DType::kQ6_K, "Q6_K", 256, 210, 6},   {DType::kQ2_0, "Q2_0", 64, 18, 2},
    {DType::kIQ1_S, "IQ1_S", 256, 50, 1},  {DType::kIQ1_M, "IQ1_M", 256, 56, 1},
    {DType::kIQ2_XXS, "IQ2_XXS", 256, 66, 2},  {DType::kIQ2_XS, "IQ2_XS", 256, 74, 2},
    {DType::kIQ2_S, "IQ2_S", 256, 82, 2},  {DType::kIQ3_XXS, "IQ3_XXS", 256, 98, 3},
    {DType::kIQ3_S, "IQ3_S", 256, 110, 3},  {DType::kIQ4_NL, "IQ4_NL", 32, 18, 4},
    {DType::kIQ4_XS, "IQ4_XS", 256, 136, 4},  {DType::kTQ1_0, "TQ1_0", 256, 54, 1.6},
    {DType::kTQ2_0, "TQ2_0", 256, 66, 2},  {DType::kMXFP4, "MXFP4", 32, 17, 4},
};

const Row& row(DType type) {
  const auto index = static_cast<std::size_t>(type);
  LIEQ_CHECK(index < std::size(kTypes) && kTypes[index].type == type);
  return kTypes[index];
}

}  // namespace

std::string_view name(DType type) { return row(type).name; }
std::size_t block_elements(DType type) { return row(type).elements; }
std::size_t block_bytes(DType type) { return row(type).bytes; }
double code_bits(DType type) { return row(type).code_bits; }

std::optional<std::size_t> bytes_of(DType type, std::size_t elements) {
  const Row& t = row(type);
  if (elements % t.elements != 0) return std::nullopt;
  return checked_mul(elements / t.elements, t.bytes);
}

std::uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

std::uint16_t float_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7E00);
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0F) return static_cast<std::uint16_t>(sign | 0x7C00);
  if (magnitude < 0x1p-14F) {
    // Subnormal: the result counts units of 2^-24; nearbyint rounds to nearest even.
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))));
  }
  const std::uint32_t magnitude_bits = bits & 0x7FFFFFFFU;
  const std::uint32_t rounded = magnitude_bits + 0xFFF + ((magnitude_bits >> 13) & 1);
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112U << 10)));
}

}  // namespace lieq
