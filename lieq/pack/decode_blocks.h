#pragma once
/// Private to pack/: decoders of one block each; layouts in decode_k.cc and decode_iq.cc.

#include <cstddef>

namespace lieq::pack {

void decode_q2_k(const std::byte* block, float* w);
void decode_q3_k(const std::byte* block, float* w);
void decode_q4_k(const std::byte* block, float* w);
void decode_q5_k(const std::byte* block, float* w);
void decode_q6_k(const std::byte* block, float* w);

void decode_iq1_s(const std::byte* block, float* w);
void decode_iq1_m(const std::byte* block, float* w);
void decode_iq2_xxs(const std::byte* block, float* w);
void decode_iq2_xs(const std::byte* block, float* w);
void decode_iq2_s(const std::byte* block, float* w);
void decode_iq3_xxs(const std::byte* block, float* w);
void decode_iq3_s(const std::byte* block, float* w);
void decode_iq4_nl(const std::byte* block, float* w);
void decode_iq4_xs(const std::byte* block, float* w);
void decode_tq1_0(const std::byte* block, float* w);
void decode_tq2_0(const std::byte* block, float* w);
void decode_mxfp4(const std::byte* block, float* w);

/// The f16 scale of an IQ1_M block, which lies in four pieces.
float iq1_m_scale(const std::byte* block);

}  // namespace lieq::pack
