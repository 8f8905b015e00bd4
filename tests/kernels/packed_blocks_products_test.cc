/// Products of GGUF's blocks from packed codes, of every type that fits them, with float32 and with 8-bit inputs.
#include <bit>
#include <cmath>
#include <cstring>

#include "lieq/kernels/packed_f32.h"
#include "lieq/kernels/packed_int8.h"
#include "lieq/pack/decode.h"
#include "lieq/pack/packed_blocks.h"
#include "tests/kernels/packed_problem.h"

namespace lieq::kernels {
namespace {

struct Type {
  DType type;
  std::vector<std::size_t> halves;  // their offsets in a block
};
const Type kTypes[] = {{DType::kQ2_0, {0}},    {DType::kQ4_0, {0}},    {DType::kQ4_1, {0, 2}}, {DType::kQ5_0, {0}},
                       {DType::kQ5_1, {0, 2}}, {DType::kQ8_0, {0}},    {DType::kIQ4_NL, {0}},  {DType::kQ2_K, {80, 82}},
                       {DType::kQ3_K, {108}},  {DType::kQ4_K, {0, 2}}, {DType::kQ5_K, {0, 2}}, {DType::kQ6_K, {208}},
                       {DType::kIQ4_XS, {0}}};

/// A matrix of random blocks; and what expect_same_in_any_company() asks for.
struct Blocks {
  DType type = DType::kQ4_K;
  std::size_t rows = 0, cols = 0;
  std::vector<std::byte> bytes;

  Blocks(const Type& t, std::size_t out, std::size_t in, unsigned seed) : type(t.type), rows(out), cols(in) {
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

struct Problem {
  Blocks m;
  pack::StoredMatrix weight;
  std::vector<float> x, bias, w;  // w: decoded, [out, in]
  std::size_t tokens;

  Problem(std::size_t t, Blocks blocks) : m(std::move(blocks)), x(t * m.cols), bias(m.rows), tokens(t) {
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
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  [[nodiscard]] MatrixView<const float> inputs() const { return {x.data(), tokens, m.cols}; }
  [[nodiscard]] std::vector<float> run(std::size_t threads, Arithmetic arithmetic = Compute::kInt8) const {
    return run_linear(threads, weight, bias, inputs(), arithmetic);
  }
  [[nodiscard]] std::size_t pieces() const {
    return weight.packed->groups() * ((weight.packed->group_size() + Int8Inputs::kPiece - 1) / Int8Inputs::kPiece);
  }
  [[nodiscard]] double largest_input(std::size_t t) const {
    double largest = 0;
    for (std::size_t j = 0; j < m.cols; ++j)
      largest = std::max(largest, std::abs(static_cast<double>(x[t * m.cols + j])));
    return largest;
  }
  /// Σ of what is added up for row i: |scale| (code + zero) + |minimum|, times the largest input. Codes of 8 bits may
  /// be taken less 128.
  [[nodiscard]] double magnitude(std::size_t i, double largest) const {
    const pack::PackedMatrix& packed = *weight.packed;
    double sum = 0;
    for (std::size_t j = 0; j < m.cols; ++j) {
      const std::size_t g = j / packed.group_size();
      sum += std::abs(static_cast<double>(packed.scale(i, g))) * (packed.code(i, j) + 0.5 * packed.double_zero(i, g)) +
             std::abs(static_cast<double>(packed.minimum(i, g)));
    }
    return sum * largest + std::abs(static_cast<double>(bias[i]));
  }
};

template <class Check>
void on_every_type(std::initializer_list<std::size_t> token_counts, const Check& check) {
  for (const Type& type : kTypes) {
    for (const auto& [out, in] : {std::pair{1U, 256U}, {37U, 512U}, {65U, 1280U}}) {
      for (const std::size_t tokens : token_counts) {
        SCOPED_TRACE(testing::Message() << name(type.type) << ", " << out << " x " << in << ", " << tokens);
        check(Problem(tokens, Blocks(type, out, in, out)));
      }
    }
  }
}

TEST(PackedBlockProducts, CoverEveryTypeThatFits) {
  std::size_t fitting = 0;
  for (int type = 0; type <= static_cast<int>(DType::kMXFP4); ++type)
    fitting += pack::fits_packed(static_cast<DType>(type)) ? 1 : 0;
  EXPECT_EQ(fitting, std::size(kTypes));
}

TEST(PackedBlockProducts, BlocksAndRowsDecodeToTheStoredWeights) {
  on_every_isa([] {
    on_every_type({1}, [](const Problem& p) {
      std::vector<float> block(16 * p.m.cols), row(p.m.cols);
      for (std::size_t i = 0; i < p.m.rows; ++i) {
        if (i % 16 == 0) decode_block(*p.weight.packed, i / 16, {block.data(), 16, p.m.cols});
        decode_row(p.weight, i, row.data());
        const std::span<const float> expected(p.w.data() + i * p.m.cols, p.m.cols);
        ASSERT_TRUE(std::ranges::equal(row, expected)) << i;
        ASSERT_TRUE(std::ranges::equal(std::span(block).subspan(i % 16 * p.m.cols, p.m.cols), expected)) << i;
      }
    });
  });
}

TEST(PackedBlockProducts, Float32IsTheProductOfTheStoredWeights) {
  on_every_isa([] {
    on_every_type({1, 13}, [](const Problem& p) {
      const auto y = p.run(2, Compute::kF32);
      for (std::size_t t = 0; t < p.tokens; ++t) {
        for (std::size_t i = 0; i < p.m.rows; ++i) {
          double exact = static_cast<double>(p.bias[i]), magnitude = std::abs(exact);
          for (std::size_t j = 0; j < p.m.cols; ++j) {
            const double product =
                static_cast<double>(p.w[i * p.m.cols + j]) * static_cast<double>(p.x[t * p.m.cols + j]);
            exact += product;
            magnitude += std::abs(product);
          }
          ASSERT_NEAR(y[t * p.m.rows + i], exact, static_cast<double>(p.m.cols + 1) * 0x1p-23 * magnitude);
        }
      }
    });
  });
}

TEST(PackedBlockProducts, Int8EqualsTheReference) {
  on_every_isa([] {
    on_every_type({1, 3, 13}, [](const Problem& p) {
      Threads team(1);
      Int8Inputs rounded;
      round_to_int8(team, *p.weight.packed, p.inputs(), rounded);
      ASSERT_EQ(rounded.pieces, p.pieces());
      std::vector<float> expected(p.tokens * p.m.rows);
      multiply_int8_reference({p.weight.packed.get(),
                               &rounded,
                               p.bias,
                               {expected.data(), p.tokens, p.m.rows},
                               0,
                               p.weight.packed->blocks(),
                               0,
                               p.tokens});
      const auto y = p.run(2);
      // Each sum adds two terms a piece, and terms have up to four roundings of their own.
      const double unit = static_cast<double>(4 * p.pieces() + 14) * 0x1p-24;
      for (std::size_t t = 0; t < p.tokens; ++t)
        for (std::size_t i = 0; i < p.m.rows; ++i)
          ASSERT_NEAR(y[t * p.m.rows + i], expected[t * p.m.rows + i], unit * p.magnitude(i, p.largest_input(t)))
              << "token " << t << ", row " << i;
    });
  });
}

TEST(PackedBlockProducts, Int8OfExactInputsIsTheProductOfTheWeights) {
  on_every_isa([] {
    for (const Type& type : kTypes) {
      SCOPED_TRACE(name(type.type));
      Problem p(6, Blocks(type, 37, 512, 3));
      std::mt19937 random(5);
      for (float& x : p.x) x = static_cast<float>(static_cast<int>(random() % 255) - 127);
      for (std::size_t at = 0; at < p.x.size(); at += 16) p.x[at] = 127;  // so that each group's scale is 1
      const auto y = p.run(2);
      for (std::size_t t = 0; t < p.tokens; ++t) {
        for (std::size_t i = 0; i < p.m.rows; ++i) {
          double exact = static_cast<double>(p.bias[i]);
          for (std::size_t j = 0; j < p.m.cols; ++j)
            exact += static_cast<double>(p.w[i * p.m.cols + j]) * static_cast<double>(p.x[t * p.m.cols + j]);
          ASSERT_NEAR(y[t * p.m.rows + i], exact,
                      static_cast<double>(2 * p.pieces() + 9) * 0x1p-24 * p.magnitude(i, 127))
              << t << ", " << i;
        }
      }
    }
  });
}

TEST(PackedBlockProducts, AreTheSameForAnyThreadsAndAnyCompany) {
  on_every_isa([] {
    for (const Type& type : kTypes) {
      SCOPED_TRACE(name(type.type));
      for (const Compute compute : {Compute::kInt8, Compute::kF32})
        expect_same_in_any_company(Problem(23, Blocks(type, 72, 512, 4)), compute);
    }
  });
}

TEST(PackedBlockProducts, Float32IsTheSameForAnyThreadCount) {
  for (const Type& type : kTypes) {
    const Problem p(500, Blocks(type, 100, 256, 5));
    EXPECT_EQ(p.run(1, Compute::kF32), p.run(5, Compute::kF32)) << name(type.type);
  }
}

}  // namespace
}  // namespace lieq::kernels
