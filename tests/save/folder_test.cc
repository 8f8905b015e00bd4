/// A quantised model written as a folder comes back with the same weights, bit for bit.

#include "lieq/save/gptq_folder.h"

#include <cstdlib>
#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "lieq/io/atomic_file.h"
#include "lieq/kernels/linear.h"
#include "lieq/quantize/run.h"
#include "lieq/save/run_folder.h"
#include "lieq/text/tokenizer.h"
#include "tests/support/paths.h"

namespace lieq::save {
namespace {

using quantize::Grid;
using quantize::QuantizedLayer;

const std::filesystem::path kTiny = test::data_dir() / "tiny-llama";

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lieq-save-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  model::Model load(const std::filesystem::path& path) {
    auto model = model::Model::load(path, threads_, sink_);
    if (!model) throw std::runtime_error(model.error().message);
    return std::move(*model);
  }
  /// Rounds to nearest: needs no calibration, and what is tested here is not how well it fits.
  QuantizedLayer quantize(const model::Model& model, Grid grid, unsigned bits) {
    options_ = {};
    options_.method = quantize::Method::kRtn;
    options_.grid = grid;
    options_.group_size = 16;
    auto walk = quantize::LayerWalk::create(model, {}, 1, options_, threads_, sink_);
    if (!walk) throw std::runtime_error(walk.error().message);
    auto layer = walk->quantize(0, bits);
    if (!layer) throw std::runtime_error(layer.error().message);
    return std::move(*layer);
  }
  FolderContents contents(const model::Model& model, const QuantizedLayer& layer, unsigned bits) {
    FolderContents c;
    c.source = &model;
    c.options = options_;
    c.widths = {quantize::uniform_widths(bits)};
    c.quantizer = "lieq:test";
    c.provenance = {{"why", "test"}};
    c.layer = [&layer](std::size_t) { return layer; };
    return c;
  }

  Threads threads_{2};
  Sink sink_;
  quantize::Options options_;
  std::filesystem::path path_;
};

void expect_same_weights(const model::Model& saved, const QuantizedLayer& layer) {
  for (const model::LinearKind kind : model::kLinearKinds) {
    const pack::StoredMatrix& weight = saved.layers[0].linear(kind).weight;
    ASSERT_TRUE(weight.packed);
    std::vector<float> read(weight.cols), expected(weight.cols);
    for (std::size_t i = 0; i < weight.rows; ++i) {
      kernels::decode_row(weight, i, read.data());
      pack::dequantize_row(layer.linear(kind), i, expected.data());
      ASSERT_EQ(read, expected) << model::name(kind) << " row " << i;
    }
  }
  EXPECT_EQ(saved.layers[0].input_layernorm, layer.input_layernorm);
  EXPECT_EQ(saved.layers[0].post_attention_layernorm, layer.post_attention_layernorm);
}

TEST_F(Folder, EveryGridAndWidthComesBackBitForBit) {
  const model::Model model = load(kTiny);
  for (const Grid grid : {Grid::kSym, Grid::kSkew, Grid::kAsym, Grid::kHalf}) {
    for (const unsigned bits : {2U, 4U, 8U}) {  // 3 bits want 32 outputs; k_proj has 16 here
      SCOPED_TRACE(std::string(quantize::name(grid)) + " " + std::to_string(bits));
      const QuantizedLayer layer = quantize(model, grid, bits);
      const auto out = path_ / (std::string(quantize::name(grid)) + std::to_string(bits));
      const auto written = write_gptq_folder(contents(model, layer, bits), out);
      ASSERT_TRUE(written) << written.error().message;
      const model::Model saved = load(out);
      expect_same_weights(saved, layer);
      EXPECT_EQ(linears_footprint(saved).mean_code_bits(), bits);
      EXPECT_NEAR(linears_footprint(saved).mean_true_bits(), bits + (16.0 + bits) / 16, 1e-9);
      EXPECT_TRUE(text::Tokenizer::load(out));
    }
  }
}

TEST_F(Folder, CheckpointFormatTellsWhatTheZeroFieldHolds) {
  const model::Model model = load(kTiny);
  const std::pair<Grid, const char*> expected[] = {
      {Grid::kSym, "gptq"}, {Grid::kSkew, "gptq_v2"}, {Grid::kAsym, "gptq_v2"}, {Grid::kHalf, "lieq_half"}};
  for (const auto& [grid, format] : expected) {
    const QuantizedLayer layer = quantize(model, grid, 2);
    const auto out = path_ / format / std::string(quantize::name(grid));
    std::filesystem::create_directories(out.parent_path());
    ASSERT_TRUE(write_gptq_folder(contents(model, layer, 2), out));
    const auto config = read_json(out / "config.json");
    EXPECT_EQ((*config)["quantization_config"]["checkpoint_format"], format);
    EXPECT_EQ((*config)["quantization_config"]["sym"], grid == Grid::kSym);
    EXPECT_EQ(*read_json(out / "quantize_config.json"), (*config)["quantization_config"]);
  }
}

TEST_F(Folder, AGgufModelBecomesAWholeFolder) {
  const model::Model folder = load(kTiny), gguf = load(kTiny.string() + ".gguf");
  const QuantizedLayer layer = quantize(gguf, Grid::kSkew, 4);
  const auto out = path_ / "out";
  const auto written = write_gptq_folder(contents(gguf, layer, 4), out);
  ASSERT_TRUE(written) << written.error().message;
  expect_same_weights(load(out), layer);
  const auto original = text::Tokenizer::load(kTiny), made = text::Tokenizer::load(out);
  ASSERT_TRUE(made) << made.error().message;
  for (const char* text : {"In the beginning", "  a\n12 3é", "<|end|> x"})
    EXPECT_EQ(made->encode(text, text::SpecialTokens::kAdd), original->encode(text, text::SpecialTokens::kAdd)) << text;
}

TEST_F(Folder, SmallFilesAreCarriedOverAndWeightsAreNot) {
  const auto source = path_ / "source";
  std::filesystem::copy(kTiny, source);
  ASSERT_TRUE(io::write_file(source / "LICENSE", "free"));
  ASSERT_TRUE(io::write_file(source / "chat_template.jinja", "{{ x }}"));
  ASSERT_TRUE(io::write_file(source / "pytorch_model.bin", "old"));
  std::filesystem::create_directory(source / "additional_chat_templates");
  ASSERT_TRUE(io::write_file(source / "additional_chat_templates/tool_use.jinja", "{{ tools }}"));
  const model::Model model = load(source);
  const QuantizedLayer layer = quantize(model, Grid::kSkew, 2);
  const auto out = path_ / "out";
  ASSERT_TRUE(write_gptq_folder(contents(model, layer, 2), out));
  EXPECT_EQ(*io::read_file(out / "LICENSE"), "free");
  EXPECT_EQ(*io::read_file(out / "chat_template.jinja"), "{{ x }}");
  EXPECT_EQ(*io::read_file(out / "additional_chat_templates/tool_use.jinja"), "{{ tools }}");
  EXPECT_FALSE(std::filesystem::exists(out / "pytorch_model.bin"));
  EXPECT_EQ(*io::read_file(out / "tokenizer.json"), *io::read_file(source / "tokenizer.json"));
  EXPECT_EQ((*read_json(out / "lieq.json"))["why"], "test");
}

TEST_F(Folder, ShapesThatDoNotFillWordsAreRefusedBeforeTheWork) {
  const model::Model model = load(kTiny);
  EXPECT_TRUE(check_packable(model, {quantize::uniform_widths(2)}));
  const auto three = check_packable(model, {quantize::uniform_widths(3)});
  ASSERT_FALSE(three);
  EXPECT_NE(three.error().message.find("k_proj"), std::string::npos) << three.error().message;
}

TEST_F(Folder, AFailureLeavesNothing) {
  const model::Model model = load(kTiny);
  const QuantizedLayer layer = quantize(model, Grid::kSkew, 2);
  FolderContents c = contents(model, layer, 2);
  c.layer = [](std::size_t) -> Result<QuantizedLayer> { return fail(ErrorCode::kIo, "gone"); };
  const auto out = path_ / "out";
  const auto written = write_gptq_folder(c, out);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "gone");
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

TEST_F(Folder, CheckpointsAreExactAndRunsDoNotMix) {
  const model::Model model = load(kTiny);
  const QuantizedLayer layer = quantize(model, Grid::kHalf, 3);
  const auto run = RunFolder::open(path_ / "out", {{"options", 1}, {"model", "a"}});
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->finished(), 0U);
  ASSERT_TRUE(run->write(0, layer));
  const auto again = RunFolder::open(path_ / "out", {{"options", 1}, {"model", "a"}});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->finished(), 1U);
  const auto read = again->read(0);
  ASSERT_TRUE(read) << read.error().message;
  for (std::size_t k = 0; k < model::kLinearsPerLayer; ++k) {
    EXPECT_EQ(read->linears[k].codes, layer.linears[k].codes);
    EXPECT_EQ(read->linears[k].scales, layer.linears[k].scales);
    EXPECT_EQ(read->linears[k].double_zeros, layer.linears[k].double_zeros);
    EXPECT_EQ(read->linears[k].group_size, layer.linears[k].group_size);
    EXPECT_EQ(read->reports[k].loss, layer.reports[k].loss);
  }
  EXPECT_EQ(read->input_layernorm, layer.input_layernorm);
  const auto other = RunFolder::open(path_ / "out", {{"options", 2}, {"model", "a"}});
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("options = 1, this one has 2"), std::string::npos) << other.error().message;
  again->remove();
  EXPECT_TRUE(RunFolder::open(path_ / "out", {{"options", 2}, {"model", "a"}}));
}

TEST_F(Folder, CheckpointsHoldBlocksOfGguf) {
  QuantizedLayer layer = quantize(load(kTiny), Grid::kHalf, 3);
  const auto byte_of = [](std::size_t k) { return static_cast<std::byte>(k * 7 + k / 256); };
  for (const model::LinearKind kind : model::kLinearKinds) {
    const auto k = static_cast<std::size_t>(kind);
    if (k % 2 == 1) continue;  // some of each
    layer.linear(kind) = {};
    pack::BlockMatrix& blocks = layer.block(kind);
    blocks = {pack::k_form(k % 4 == 0 ? 2 : 3).type, 3 + k, 512, {}};
    for (std::size_t b = 0; b < blocks.rows * blocks.row_bytes(); ++b) blocks.bytes.push_back(byte_of(b + k));
  }
  ASSERT_TRUE(write_checkpoint(path_ / "layer", layer));
  const auto read = read_checkpoint(path_ / "layer");
  ASSERT_TRUE(read) << read.error().message;
  for (const model::LinearKind kind : model::kLinearKinds) {
    EXPECT_EQ(read->is_blocks(kind), layer.is_blocks(kind));
    EXPECT_EQ(read->block(kind).type, layer.block(kind).type);
    EXPECT_EQ(read->block(kind).rows, layer.block(kind).rows);
    EXPECT_EQ(read->block(kind).cols, layer.block(kind).cols);
    EXPECT_EQ(read->block(kind).bytes, layer.block(kind).bytes);
    EXPECT_EQ(read->linear(kind).codes, layer.linear(kind).codes);
  }
  layer.block(model::LinearKind::kQ).bytes.pop_back();
  ASSERT_TRUE(write_checkpoint(path_ / "short", layer));
  const auto damaged = read_checkpoint(path_ / "short");
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().message.find("do not fit its shape"), std::string::npos) << damaged.error().message;
}

TEST_F(Folder, RefusesBlocksOfGguf) {
  const model::Model model = load(kTiny);
  const QuantizedLayer layer = quantize(model, Grid::kHalf, 2);
  FolderContents c = contents(model, layer, 2);
  c.options.grid = Grid::kK;
  const auto written = write_gptq_folder(c, path_ / "out");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(written.error().message.find("a GPTQ folder cannot hold K blocks"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

TEST_F(Folder, ARunTakesOverTheFirstLayersThatAreTheSame) {
  const QuantizedLayer layer = quantize(load(kTiny), Grid::kHalf, 3);
  const auto fingerprint = [](std::vector<int> widths, int options) {
    return Json{{"layer_bits", widths}, {"options", options}};
  };
  const auto left_by = [&](const Json& next) {
    RunFolder::adopt(path_ / "out", fingerprint({2, 4, 2, 2}, 1))->remove();
    const auto run = RunFolder::adopt(path_ / "out", fingerprint({2, 4, 2, 2}, 1));
    for (std::size_t l = 0; l < 3; ++l) EXPECT_TRUE(run->write(l, layer));
    const auto adopted = RunFolder::adopt(path_ / "out", next);
    EXPECT_TRUE(RunFolder::open(path_ / "out", next)) << "the folder is the new run's now";
    return adopted->finished();
  };
  EXPECT_EQ(left_by(fingerprint({2, 4, 2, 2}, 1)), 3U);
  EXPECT_EQ(left_by(fingerprint({2, 4, 2, 4}, 1)), 3U);
  EXPECT_EQ(left_by(fingerprint({2, 4, 4, 2}, 1)), 2U);
  EXPECT_EQ(left_by(fingerprint({4, 4, 2, 2}, 1)), 0U);
  EXPECT_EQ(left_by(fingerprint({2, 4, 2, 2}, 2)), 0U) << "other options";
  EXPECT_EQ(left_by({{"options", 1}}), 0U) << "a fingerprint without widths";
}

}  // namespace
}  // namespace lieq::save
