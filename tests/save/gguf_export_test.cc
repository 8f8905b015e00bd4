/// GGUF files hold what their source holds, or are refused before they are written.

#include "lieq/save/gguf_export.h"

#include <cmath>
#include <cstring>
#include <map>

#include "lieq/io/atomic_file.h"
#include "lieq/io/gguf.h"
#include "lieq/text/chat_template.h"
#include "lieq/text/tokenizer.h"
#include "tests/save/fixture.h"
#include "tests/support/golden.h"

namespace lieq::save {
namespace {

using quantize::Grid;

class GgufExport : public SaveTest {
 protected:
  Result<ExportRecord> convert(const model::Model& model, std::optional<DType> embed = std::nullopt) {
    return export_model(kGgufTarget, model, {.output = output(), .embed = embed, .tool = "lieq:test"}, threads_, sink_);
  }
  [[nodiscard]] std::filesystem::path output() const { return path_ / "out.gguf"; }

  std::map<DType, std::size_t> types_of(const std::string& prefix) {
    std::map<DType, std::size_t> types;
    const io::Gguf gguf = value(io::open_gguf(output()));
    for (const auto& [name, tensor] : gguf.tensors.all())
      if (name.starts_with(prefix) && tensor.shape.size() == 2) ++types[tensor.type];
    return types;
  }

  void expect_refused(const model::Model& model, const std::string& words, std::optional<DType> embed = std::nullopt) {
    const auto made = convert(model, embed);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find(words), std::string::npos) << made.error().message;
    EXPECT_FALSE(std::filesystem::exists(output()));
  }
};

TEST_F(GgufExport, TwoAndFourBitLayersKeepEveryWeight) {
  const model::Model source = load(kDemoModel);
  for (const Grid grid : {Grid::kSym, Grid::kSkew}) {
    const model::Model model = load(quantized(source, grid, 64, kMixed));
    const ExportRecord record = value(convert(model));
    EXPECT_EQ(record.largest_difference(), 0);
    EXPECT_EQ(record.largest_embedding_difference(), 0);
    EXPECT_EQ(record.bytes(), std::filesystem::file_size(output()));
    const std::map<DType, std::size_t> expected = {{DType::kQ4_0, 14}, {DType::kQ2_0, 70}};
    EXPECT_EQ(types_of("blk."), expected);
    EXPECT_EQ(linears_footprint(load(output())).mean_true_bits(), (2 * 4.5 + 10 * 2.25) / 12);
    std::filesystem::remove(output());
  }
}

/// Two linears of one layer wider than the rest, one of another.
TEST_F(GgufExport, WidthsOfSingleLinearsComeThroughTheFolder) {
  std::vector<quantize::LayerWidths> widths(12, quantize::uniform_widths(2));
  widths[3][static_cast<std::size_t>(model::LinearKind::kV)] = 4;
  widths[3][static_cast<std::size_t>(model::LinearKind::kDown)] = 8;
  widths[7][static_cast<std::size_t>(model::LinearKind::kV)] = 4;
  const model::Model model = load(of_widths(load(kDemoModel), Grid::kSkew, 64, widths));
  for (std::size_t l = 0; l < widths.size(); ++l)
    for (const model::LinearKind kind : model::kLinearKinds)
      EXPECT_EQ(model.layers[l].linear(kind).weight.packed->bits(), quantize::width_of(widths[l], kind)) << l;
  EXPECT_EQ(value(convert(model)).largest_difference(), 0);
  const std::map<DType, std::size_t> expected = {{DType::kQ4_0, 2}, {DType::kQ8_0, 1}, {DType::kQ2_0, 81}};
  EXPECT_EQ(types_of("blk."), expected);
}

TEST_F(GgufExport, EightBitLayersKeepEveryWeight) {
  const model::Model model = load(quantized(load(kDemoModel), Grid::kSkew, 64, std::vector<unsigned>(12, 8)));
  EXPECT_EQ(value(convert(model)).largest_difference(), 0);
  EXPECT_EQ(types_of("blk."), (std::map<DType, std::size_t>{{DType::kQ8_0, 84}}));
}

TEST_F(GgufExport, OtherZeroPointsAtFourBitsRoundOneNumberAndSayByHowMuch) {
  const model::Model source = load(kDemoModel);
  for (const Grid grid : {Grid::kAsym, Grid::kHalf}) {
    const model::Model model = load(quantized(source, grid, 64, std::vector<unsigned>(12, 4)));
    const ExportRecord record = value(convert(model));
    EXPECT_EQ(types_of("blk.").count(DType::kQ4_1), 1U);
    EXPECT_GT(record.largest_difference(), 0);
    for (const TensorDifference& one : record.differences)  // -s z, at most 16/7 of the largest weight, to 11 bits
      EXPECT_LE(one.largest_difference, one.largest_value * 16 / 7 * 0x1p-11) << one.name;
    const io::Gguf gguf = value(io::open_gguf(output()));
    EXPECT_EQ(value(gguf.number("lieq.export.largest_difference")),
              static_cast<double>(static_cast<float>(record.largest_difference())));
    std::filesystem::remove(output());
  }
}

TEST_F(GgufExport, WhatBlocksCannotHoldIsRefusedWithTheNearestThatCan) {
  const model::Model source = load(kDemoModel);
  const std::vector<unsigned> two(12, 2);
  expect_refused(load(quantized(source, Grid::kAsym, 64, two)), "--grid skew");
  expect_refused(load(quantized(source, Grid::kHalf, 64, two)), "--grid skew");
  expect_refused(load(quantized(source, Grid::kSkew, 32, two)), "--group-size 64");
  expect_refused(load(quantized(source, Grid::kSkew, 64, std::vector<unsigned>(12, 3))), "2, 4 and 8 bits");
  expect_refused(load(quantized(source, Grid::kAsym, 64, std::vector<unsigned>(12, 8))), "--grid skew");
  expect_refused(load(kTinyModel), "ask for q8_0 or q5_1", DType::kQ6_K);
}

TEST_F(GgufExport, RowsOfLlamaMoveWithTheirCodes) {
  const model::Model model = load(quantized(load(kTinyModel), Grid::kSkew, 32, {4}));
  EXPECT_EQ(value(convert(model)).largest_difference(), 0);
  const io::Gguf gguf = value(io::open_gguf(output()));
  const io::Tensor* q = gguf.tensors.find("blk.0.attn_q.weight");
  ASSERT_EQ(q->type, DType::kQ4_0);
  // Stored row 3 is the second of pair 1 in heads of 16: logical row 9. Only its sign may differ from the codes.
  const pack::StoredMatrix stored = {.name = "q", .type = q->type, .rows = q->shape[0], .cols = q->shape[1],
                                     .data = q->data.data()};
  EXPECT_EQ(row(stored, 3), row(model.layers[0].linear(model::LinearKind::kQ).weight, 9));
}

TEST_F(GgufExport, AGgufSourceIsCopiedTensorForTensorAndKeyForKey) {
  const std::filesystem::path file = kTinyModel.string() + ".gguf";
  const model::Model model = load(file);
  EXPECT_TRUE(value(convert(model)).differences.empty());
  const io::Gguf before = value(io::open_gguf(file)), after = value(io::open_gguf(output()));
  ASSERT_EQ(after.tensors.all().size(), before.tensors.all().size());
  for (const auto& [name, tensor] : before.tensors.all()) {
    const io::Tensor* copy = after.tensors.find(name);
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(copy->type, tensor.type);
    EXPECT_EQ(copy->shape, tensor.shape);
    EXPECT_TRUE(std::ranges::equal(copy->data, tensor.data)) << name;
  }
  ASSERT_GE(after.keys.size(), before.keys.size());
  for (std::size_t i = 0; i < before.keys.size(); ++i) {
    EXPECT_EQ(after.keys[i].name, before.keys[i].name);
    EXPECT_EQ(after.keys[i].type, before.keys[i].type);
    EXPECT_TRUE(std::ranges::equal(after.keys[i].value, before.keys[i].value)) << before.keys[i].name;
  }
}

TEST_F(GgufExport, TheEmbeddingGetsTheTypeAskedFor) {
  const model::Model model = load(kDemoModel);
  for (const auto& [type, levels] : {std::pair{DType::kQ8_0, 254.0}, {DType::kQ6_K, 63.0}, {DType::kQ5_1, 31.0},
                                     {DType::kQ4_0, 15.0}}) {
    const ExportRecord record = value(convert(model, type));
    EXPECT_EQ(types_of("token_embd"), (std::map<DType, std::size_t>{{type, 1}}));
    ASSERT_EQ(record.differences.size(), 1U);
    EXPECT_EQ(record.largest_difference(), 0);
    // The largest weight spans half the levels, and one at the end of the short side may be off by more than a half.
    EXPECT_LE(record.largest_embedding_difference(), 1.6 * 2 * record.differences[0].largest_value / levels);
    std::filesystem::remove(output());
  }
}

TEST_F(GgufExport, TokenizerAndTemplateComeAlong) {
  const model::Model model = load(kDemoModel);
  ASSERT_TRUE(convert(model));
  const text::Tokenizer source = value(text::Tokenizer::load(kDemoModel));
  const text::Tokenizer made = value(text::Tokenizer::load(output()));
  for (const char* text : {"In the beginning", "  a\n12 3é <|endoftext|>x"})
    EXPECT_EQ(made.encode(text, text::SpecialTokens::kAdd), source.encode(text, text::SpecialTokens::kAdd)) << text;
  const model::Model read = load(output());
  EXPECT_EQ(read.config.eos_token_id, model.config.eos_token_id);
  EXPECT_TRUE(read.config.tie_word_embeddings);
  EXPECT_EQ(value(io::open_gguf(output())).find("split.count"), nullptr);
}

TEST_F(GgufExport, WhatIsThereStaysAndFailuresLeaveNothing) {
  const model::Model model = load(kTinyModel);
  ASSERT_TRUE(io::write_file(output(), "mine"));
  const auto made = convert(model);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("exists already"), std::string::npos);
  EXPECT_EQ(*io::read_file(output()), "mine");
  std::filesystem::remove(output());

  Target broken = kGgufTarget;  // writes another model than the one it was given
  broken.write = [](const model::Model&, const ExportOptions&, const std::filesystem::path& path, Threads&, Sink&) {
    std::filesystem::copy_file(kTinyModel.string() + ".gguf", path);
    return Result<void>();
  };
  const model::Model other = load(kDemoModel);
  const auto mixed = export_model(broken, other, {.output = output()}, threads_, sink_);
  ASSERT_FALSE(mixed);
  EXPECT_NE(mixed.error().message.find("read back as"), std::string::npos) << mixed.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

/// The golden models, converted by us and by the reference converter.
class GoldenExport : public GgufExport, public testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(GoldenExport, TensorsAreThoseOfTheReference) {
  const auto [name, type] = GetParam();
  const std::filesystem::path reference_file =
      test::shared() / "golden/gguf" / (std::string(name) + "." + type + ".gguf");
  LIEQ_NEEDS_SHARED("golden/gguf");
  const model::Model model = load(test::shared() / "golden/models" / name);
  const ExportRecord record = value(convert(model));
  EXPECT_TRUE(record.differences.empty());
  const io::Gguf made = value(io::open_gguf(output())), reference = value(io::open_gguf(reference_file));
  std::size_t compared = 0;
  for (const auto& [tensor_name, tensor] : reference.tensors.all()) {
    const io::Tensor* ours = made.tensors.find(tensor_name);
    ASSERT_NE(ours, nullptr) << tensor_name;
    EXPECT_EQ(ours->shape, tensor.shape) << tensor_name;
    if (ours->type != tensor.type || tensor_name == "rope_freqs.weight") continue;
    ++compared;
    EXPECT_TRUE(std::ranges::equal(ours->data, tensor.data)) << tensor_name;
  }
  EXPECT_GT(compared, reference.tensors.all().size() / 4);  // norms at least; all where types agree
  for (const auto& [key, reference_value] : reference.metadata) {
    if (key == "general.name" || key == "general.file_type" || key == "tokenizer.ggml.scores") continue;
    const io::GgufValue* ours = made.find(key);
    ASSERT_NE(ours, nullptr) << key;
    EXPECT_TRUE(*ours == reference_value) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenExport,
                         testing::Values(std::pair{"llama_bias_sharded_bf16", "Q8_0"},
                                         std::pair{"llama_rope3_tied_f16", "F16"},
                                         std::pair{"qwen2_tied_bf16", "BF16"}, std::pair{"qwen3_tied_f16", "F16"}),
                         [](const auto& one) { return std::string(one.param.first); });

}  // namespace
}  // namespace lieq::save
