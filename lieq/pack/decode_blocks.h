#pragma once
/// Private to pack/: decoders of one block of 256 weights each; layouts in decode_k.cc.

#include <cstddef>

namespace lieq::pack {

void decode_q2_k(const std::byte* block, float* w);
void decode_q3_k(const std::byte* block, float* w);
void decode_q4_k(const std::byte* block, float* w);
void decode_q5_k(const std::byte* block, float* w);
void decode_q6_k(const std::byte* block, float* w);

}  // namespace lieq::pack
