#pragma once
/// Problems over GGUF's blocks of every type that fits packed codes.

#include <cmath>
#include <cstring>
#include <utility>

#include "lieq/pack/decode.h"
#include "lieq/pack/packed_blocks.h"
#include "tests/kernels/packed_problem.h"

namespace lieq::kernels {

struct BlockType {
  DType type;
  std::vector<std::size_t> halves;  // their offsets in a block
};
inline const BlockType kBlockTypes[] = {{DType::kQ2_0, {0}},    {DType::kQ4_0, {0}},      {DType::kQ4_1, {0, 2}},
                                        {DType::kQ5_0, {0}},    {DType::kQ5_1, {0, 2}},   {DType::kQ8_0, {0}},
                                        {DType::kIQ4_NL, {0}},  {DType::kQ2_K, {80, 82}}, {DType::kQ3_K, {108}},
                                        {DType::kQ4_K, {0, 2}}, {DType::kQ5_K, {0, 2}},   {DType::kQ6_K, {208}},
                                        {DType::kIQ4_XS, {0}}};

/// A matrix of random blocks; and what expect_same_in_any_company() asks for.
struct RandomBlocks {
  DType type = DType::kQ4_K;
  std::size_t rows = 0, cols = 0;
  std::vector<std::byte> bytes;

  RandomBlocks(const BlockType& t, std::size_t out, std::size_t in, unsigned seed) : type(t.type), rows(out), cols(in) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 0.02F);
    bytes.resize(rows * cols / block_elements(type) * block_bytes(type));
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    for (std::size_t at = 0; at < bytes.size(); at += block_bytes(type)) {
      for (const std::size_t offset : t.halves) {
        const std::uint16_t half = float_to_f16(normal(random));
        std::memcpy(bytes.data() + at + offset, &half, sizeof half);
      }
    }
  }
};

struct BlockProblem {
  RandomBlocks m;
  pack::StoredMatrix weight;
  std::vector<float> x, bias, w;  // w: decoded, [out, in]
  std::size_t tokens;

  BlockProblem(std::size_t t, RandomBlocks blocks) : m(std::move(blocks)), x(t * m.cols), bias(m.rows), tokens(t) {
    std::mt19937 random(static_cast<unsigned>(t));
    std::normal_distribution<float> normal;
    for (auto* values : {&x, &bias})
      for (float& v : *values) v = normal(random);
    weight = {"w", m.type, m.rows, m.cols, m.bytes.data(), 0, nullptr};
    w.resize(m.rows * m.cols);
    pack::decode(m.type, m.bytes.data(), w.size(), w.data());
    Threads team(2);
    weight.packed = std::make_shared<const pack::PackedMatrix>(pack::pack_blocks(team, weight));
  }
  BlockProblem(const BlockProblem&) = delete;
  BlockProblem& operator=(const BlockProblem&) = delete;

  [[nodiscard]] MatrixView<const float> inputs() const { return {x.data(), tokens, m.cols}; }
  [[nodiscard]] std::vector<float> run(std::size_t threads, Arithmetic arithmetic = Compute::kInt8) const {
    return run_linear(threads, weight, bias, inputs(), arithmetic);
  }
  [[nodiscard]] std::size_t pieces() const {
    return weight.packed->groups() * ((weight.packed->group_size() + Int8Inputs::kPiece - 1) / Int8Inputs::kPiece);
  }
  [[nodiscard]] double largest(std::size_t t) const { return largest_of(inputs().row(t)); }
  /// Σ of what is added up for row i: |scale| (code + zero) + |minimum|, times the largest input. Codes of 8 bits may
  /// be taken less 128.
  [[nodiscard]] double magnitude(std::size_t i, double largest_input) const {
    const pack::PackedMatrix& packed = *weight.packed;
    double sum = 0;
    for (std::size_t j = 0; j < m.cols; ++j) {
      const std::size_t g = j / packed.group_size();
      sum += std::abs(static_cast<double>(packed.scale(i, g))) * (packed.code(i, j) + 0.5 * packed.double_zero(i, g)) +
             std::abs(static_cast<double>(packed.minimum(i, g)));
    }
    return sum * largest_input + std::abs(static_cast<double>(bias[i]));
  }
  [[nodiscard]] std::vector<float> int8_reference() const { return kernels::int8_reference(weight, bias, inputs()); }
  /// How far from it float32 sums in another order may be: each adds two terms a piece, and terms have up to four
  /// roundings of their own.
  [[nodiscard]] double int8_bound(std::size_t i, double largest_input) const {
    return static_cast<double>(4 * pieces() + 14) * 0x1p-24 * magnitude(i, largest_input);
  }
};

}  // namespace lieq::kernels
