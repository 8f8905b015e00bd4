/// Products of GGUF's blocks from packed codes, of every type that fits them, with float32 and with 8-bit inputs.
#include <bit>
#include <cmath>
#include <cstring>

#include "lieq/kernels/packed_f32.h"
#include "lieq/kernels/packed_int8.h"
#include "tests/kernels/block_problem.h"

namespace lieq::kernels {
namespace {

template <class Check>
void on_every_type(std::initializer_list<std::size_t> token_counts, const Check& check) {
  for (const BlockType& type : kBlockTypes) {
    for (const auto& [out, in] : {std::pair{1U, 256U}, {37U, 512U}, {65U, 1280U}}) {
      for (const std::size_t tokens : token_counts) {
        SCOPED_TRACE(testing::Message() << name(type.type) << ", " << out << " x " << in << ", " << tokens);
        check(BlockProblem(tokens, RandomBlocks(type, out, in, out)));
      }
    }
  }
}

TEST(PackedBlockProducts, CoverEveryTypeThatFits) {
  std::size_t fitting = 0;
  for (int type = 0; type <= static_cast<int>(DType::kMXFP4); ++type)
    fitting += pack::fits_packed(static_cast<DType>(type)) ? 1 : 0;
  EXPECT_EQ(fitting, std::size(kBlockTypes));
}

TEST(PackedBlockProducts, BlocksAndRowsDecodeToTheStoredWeights) {
  on_every_isa([] {
    on_every_type({1}, [](const BlockProblem& p) {
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
    on_every_type({1, 13}, [](const BlockProblem& p) {
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
    on_every_type({1, 3, 13}, [](const BlockProblem& p) {
      Threads team(1);
      Int8Inputs rounded;
      round_to_int8(team, *p.weight.packed, p.inputs(), rounded);
      ASSERT_EQ(rounded.pieces, p.pieces());
      const std::vector<float> expected = p.int8_reference();
      const auto y = p.run(2);
      for (std::size_t t = 0; t < p.tokens; ++t)
        for (std::size_t i = 0; i < p.m.rows; ++i)
          ASSERT_NEAR(y[t * p.m.rows + i], expected[t * p.m.rows + i], p.int8_bound(i, p.largest(t)))
              << "token " << t << ", row " << i;
    });
  });
}

TEST(PackedBlockProducts, Int8OfExactInputsIsTheProductOfTheWeights) {
  on_every_isa([] {
    for (const BlockType& type : kBlockTypes) {
      SCOPED_TRACE(name(type.type));
      BlockProblem p(6, RandomBlocks(type, 37, 512, 3));
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
    for (const BlockType& type : kBlockTypes) {
      SCOPED_TRACE(name(type.type));
      for (const Compute compute : {Compute::kInt8, Compute::kF32})
        expect_same_in_any_company(BlockProblem(23, RandomBlocks(type, 72, 512, 4)), compute);
    }
  });
}

TEST(PackedBlockProducts, Float32IsTheSameForAnyThreadCount) {
  for (const BlockType& type : kBlockTypes) {
    const BlockProblem p(500, RandomBlocks(type, 100, 256, 5));
    EXPECT_EQ(p.run(1, Compute::kF32), p.run(5, Compute::kF32)) << name(type.type);
  }
}

}  // namespace
}  // namespace lieq::kernels
