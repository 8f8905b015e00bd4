/// parse_safetensors on any bytes: what it accepts keeps every promise of io/safetensors.h.

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/tensor_promises.h"
#include "lieq/io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto set = lieq::io::parse_safetensors(bytes, "fuzz");
  if (!set) {
    lieq::fuzz::check_message(set.error().message);
    return 0;
  }
  std::size_t total = 0;
  for (const auto& [name, tensor] : set->all()) {
    lieq::fuzz::check_tensor(name, tensor, bytes);
    total += tensor.data.size();
  }
  // No holes: header and tensors are the whole file. With check_disjoint: no overlaps either.
  std::uint64_t header = 0;
  for (std::size_t i = 0; i < 8; ++i) header |= static_cast<std::uint64_t>(data[i]) << (8 * i);
  LIEQ_CHECK(8 + header + total == size);
  lieq::fuzz::check_disjoint(*set);
  return 0;
}
