#pragma once
/// Weights as blocks of GGUF: codes carried over exactly, and roundings of our own for embeddings and heads.
///
/// What holds the codes of a group (scale s, zero point z) without another choice of codes:
///   2 bits, z = 1 or 2, groups of 64 k    Q2_0    d = s, or d = -s and codes 3 - q
///   4 bits, z = 7 or 8, groups of 32 k    Q4_0    d = s, or d = -s and codes 15 - q
///   4 bits, any z or a minimum            Q4_1    d = s, m = -s z rounded once to half precision
///   8 bits, z = 127 or 128                Q8_0    d = s, or d = -s and codes 255 - q
/// Layouts: pack/decode.cc, which reads what is written here.

#include <cstddef>
#include <span>
#include <string>

#include "lieq/base/dtype.h"
#include "lieq/base/result.h"
#include "lieq/pack/stored_matrix.h"
#include "lieq/save/linear_codes.h"

namespace lieq::save {

/// The type that holds a matrix which has code_facts(). place: opens the message.
/// Errors: kUnsupported naming the matrix, what it has, and the nearest grid or width that GGUF holds.
[[nodiscard]] Result<DType> block_type_of(const pack::StoredMatrix& matrix, const std::string& place);

/// One row of codes in blocks of block_type_of(). target: cols / block_elements(type) * block_bytes(type) bytes.
void codes_to_blocks(const LinearCodes& codes, std::size_t row, DType type, std::byte* target);

/// Rounds a row of finite weights to F32, F16, BF16, Q8_0, Q6_K, Q5_1 or Q4_0; weights.size() is a multiple of the
/// block.
/// Q8_0: scale = largest / 127. Q4_0: of several scales of either sign the one of the least squared error.
/// Q6_K: the same in each 16 weights, scales then rounded to the block's 8 bits and the codes found anew.
/// Q5_1: the line through the extremes, refitted by least squares while that helps.
/// Does not depend on threads. target: whole blocks.
void round_to_blocks(DType type, std::span<const float> weights, std::byte* target);

}  // namespace lieq::save
