/// Embeddings in blocks: the folder holds what was planned, and a head that is the embedding again is found.

#include "lieq/save/embeddings.h"

#include <cmath>

#include "lieq/base/json.h"
#include "lieq/io/atomic_file.h"
#include "lieq/save/export.h"
#include "lieq/save/gguf_blocks.h"
#include "lieq/save/gguf_export.h"
#include "tests/save/fixture.h"

namespace lieq::save {
namespace {

using quantize::Grid;

/// A matrix of its own in blocks of `type`, rounded from `source`.
struct Rounded {
  std::vector<std::byte> bytes;
  pack::StoredMatrix matrix;

  Rounded(const pack::StoredMatrix& source, DType type) : matrix{source} {
    matrix.type = type;
    bytes.resize(matrix.rows * matrix.row_bytes());
    matrix.data = bytes.data();
    std::vector<float> row(source.cols);
    for (std::size_t i = 0; i < source.rows; ++i) {
      kernels::decode_row(source, i, row.data());
      round_to_blocks(type, row, &bytes[i * matrix.row_bytes()]);
    }
  }
};

class Embeddings : public SaveTest {
 protected:
  /// Sum of squares of what rounding to `type` takes away.
  static double lost(const pack::StoredMatrix& source, DType type) {
    const Rounded rounded(source, type);
    double sum = 0;
    for (std::size_t i = 0; i < source.rows; ++i) {
      const std::vector<float> before = row(source, i), after = row(rounded.matrix, i);
      for (std::size_t j = 0; j < before.size(); ++j) sum += std::pow(before[j] - after[j], 2);
    }
    return sum;
  }
};

TEST_F(Embeddings, AFolderHoldsThemInBlocksUnderANameOfItsOwn) {
  const model::Model source = load(kDemoModel);
  for (const auto& [bits, type] : {std::pair{8U, DType::kQ8_0}, {6U, DType::kQ6_K}, {4U, DType::kQ4_0}}) {
    const EmbeddingPlan plan = value(plan_embeddings(source, bits, threads_));
    EXPECT_EQ(plan.embedding_type, type);
    const auto folder = quantized(source, Grid::kSkew, 64, kMixed, plan);
    const Json config = *read_json(folder / "config.json");
    EXPECT_EQ(config["quantization_config"]["checkpoint_format"], "lieq_gptq_v2");
    const model::Model saved = load(folder);
    EXPECT_EQ(saved.embed_tokens.type, type);
    EXPECT_EQ(saved.embed_tokens.bytes(), plan.bytes());
    const Rounded expected(source.embed_tokens, type);
    for (const std::size_t i : {std::size_t{0}, std::size_t{77}, saved.embed_tokens.rows - 1})
      EXPECT_EQ(row(saved.embed_tokens, i), row(expected.matrix, i));
    EXPECT_EQ(saved.files.find("model.layers.0.mlp.up_proj.g_idx"), nullptr);
    // Run as usual, products read packed codes; the weights are the same.
    const model::Model run = load(folder, {});
    EXPECT_EQ(row(run.lm_head, 77), row(saved.embed_tokens, 77));
  }
}

TEST_F(Embeddings, SixteenBitsLeaveAFolderThatGptqReadersKnow) {
  const model::Model source = load(kDemoModel);
  const auto folder = quantized(source, Grid::kSym, 64, kMixed, value(plan_embeddings(source, 16, threads_)));
  const Json config = *read_json(folder / "config.json");
  EXPECT_EQ(config["quantization_config"]["checkpoint_format"], "gptq");
  EXPECT_FALSE(config["quantization_config"].contains("blocks"));
  const model::Model saved = load(folder);
  EXPECT_EQ(saved.embed_tokens.type, source.embed_tokens.type);
  EXPECT_NE(saved.files.find("model.layers.0.mlp.up_proj.g_idx"), nullptr);
}

TEST_F(Embeddings, BlocksOfTheSourceStayAsTheyAreWhereTheyAreNoLarger) {
  model::Model source = load(kDemoModel);
  const Rounded embedding(source.embed_tokens, DType::kQ4_0);
  source.embed_tokens = source.lm_head = embedding.matrix;
  EXPECT_EQ(value(plan_embeddings(source, 8, threads_)).embedding_type, DType::kQ4_0);
  EXPECT_EQ(value(plan_embeddings(source, 16, threads_)).embedding_type, DType::kF16);
}

TEST_F(Embeddings, AHeadThatIsTheEmbeddingInAnotherRoundingIsTied) {
  model::Model source = load(kDemoModel);
  const Rounded coarse(source.embed_tokens, DType::kQ4_0), fine(source.embed_tokens, DType::kQ8_0),
      six(source.embed_tokens, DType::kQ6_K);
  EXPECT_TRUE(is_same_matrix(coarse.matrix, fine.matrix, threads_));
  EXPECT_TRUE(is_same_matrix(six.matrix, fine.matrix, threads_));
  EXPECT_TRUE(is_same_matrix(source.embed_tokens, coarse.matrix, threads_));
  source.config.tie_word_embeddings = false;
  source.embed_tokens = coarse.matrix;
  source.lm_head = fine.matrix;
  const EmbeddingPlan plan = value(plan_embeddings(source, 8, threads_));
  EXPECT_EQ(plan.head, nullptr);
  EXPECT_EQ(plan.embedding, &source.lm_head);
  EXPECT_FALSE(plan.note.empty());
  const auto folder = quantized(source, Grid::kSkew, 64, kMixed, plan);
  const model::Model saved = load(folder);
  EXPECT_TRUE(saved.config.tie_word_embeddings);
  EXPECT_EQ(row(saved.embed_tokens, 5), row(fine.matrix, 5));
}

TEST_F(Embeddings, AHeadOfItsOwnStays) {
  model::Model source = load(kDemoModel);
  // The same rows in another order: as like each other as two matrices can be that are not the same.
  Rounded moved(source.embed_tokens, DType::kQ8_0);
  std::rotate(moved.bytes.begin(), moved.bytes.begin() + static_cast<std::ptrdiff_t>(moved.matrix.row_bytes()),
              moved.bytes.end());
  const Rounded embedding(source.embed_tokens, DType::kQ4_0);
  source.config.tie_word_embeddings = false;
  source.embed_tokens = embedding.matrix;
  source.lm_head = moved.matrix;
  const EmbeddingPlan plan = value(plan_embeddings(source, 8, threads_));
  EXPECT_EQ(plan.head, &source.lm_head);
  EXPECT_EQ(plan.bytes(), embedding.bytes.size() + moved.bytes.size());
  const model::Model saved = load(quantized(source, Grid::kSkew, 64, kMixed, plan));
  EXPECT_EQ(row(saved.lm_head, 5), row(moved.matrix, 5));
  EXPECT_EQ(row(saved.embed_tokens, 5), row(embedding.matrix, 5));
}

TEST_F(Embeddings, ThePlanCountsWhatIsSaved) {
  const model::Model source = load(kDemoModel);
  const EmbeddingPlan plan = value(plan_embeddings(source, 8, threads_));
  const auto folder = quantized(source, Grid::kSkew, 64, kMixed, plan);
  const model::Model saved = load(folder);
  const double weights = static_cast<double>(parameter_count(source) - linears_footprint(source).parameters);
  const double linears = static_cast<double>(linears_footprint(saved).bytes);
  const auto file = static_cast<double>(std::filesystem::file_size(folder / "model.safetensors"));
  EXPECT_NEAR(rest_bits(source, plan) * weights / 8 + linears, file, 0.02 * file);  // names and shapes are the rest
}

TEST_F(Embeddings, SixBitsOfRowsThatDoNotFillKBlocksAreQ51) {
  const model::Model source = load(kTinyModel);  // rows of 32
  const EmbeddingPlan plan = value(plan_embeddings(source, 6, threads_));
  EXPECT_EQ(plan.embedding_type, DType::kQ5_1);
  EXPECT_EQ(plan.bytes() * 8, 6 * source.embed_tokens.rows * source.embed_tokens.cols * (plan.head ? 2 : 1));
  EXPECT_NE(plan.note.find("6 bits are Q5_1"), std::string::npos) << plan.note;
  const model::Model demo = load(kDemoModel);
  const pack::StoredMatrix& embedding = demo.embed_tokens;
  // Of uniform errors a bit more is a fourth; that the extremes need no symmetric range helps, too.
  EXPECT_LT(lost(embedding, DType::kQ5_1), lost(embedding, DType::kQ4_0) / 3);
}

TEST_F(Embeddings, AWidthThatRowsDoNotFillIsRefused) {
  model::Model source = load(kTinyModel);
  source.embed_tokens.cols = 24;
  const auto plan = plan_embeddings(source, 6, threads_);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("multiple of 32 for 6 bits (16 would do)"), std::string::npos)
      << plan.error().message;
}

TEST_F(Embeddings, AFolderThatNamesAnotherTypeIsRefused) {
  const model::Model source = load(kDemoModel);
  const auto folder =
      quantized(source, Grid::kSkew, 64, kMixed, value(plan_embeddings(source, 8, threads_)));
  Json config = *read_json(folder / "config.json");
  for (const auto& [type, words] :
       {std::pair{"Q4_0", "expected [4096, 144] of U8"}, {"F16", "expected a block type"}}) {
    config["quantization_config"]["blocks"]["model.embed_tokens"] = type;
    ASSERT_TRUE(io::write_json(folder / "config.json", config));
    const auto loaded = model::Model::load(folder, threads_, sink_);
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message.find(words), std::string::npos) << loaded.error().message;
  }
}

TEST_F(Embeddings, PackedOnesGoIntoGgufAsTheyAre) {
  const model::Model source = load(kDemoModel);
  const model::Model saved =
      load(quantized(source, Grid::kSkew, 64, kMixed, value(plan_embeddings(source, 8, threads_))));
  const ExportRecord record =
      value(export_model(kGgufTarget, saved, {.output = path_ / "out.gguf"}, threads_, sink_));
  EXPECT_TRUE(record.differences.empty());
}

}  // namespace
}  // namespace lieq::save
