/// Exports to folders of other containers: what fits comes back code for code, what does not is refused.
#include <cmath>

#include <gtest/gtest.h>

#include "lieq/save/export.h"
#include "lieq/save/hf_folder.h"
#include "lieq/save/widths.h"
#include "tests/model/foreign_folder.h"
#include "tests/support/paths.h"

namespace lieq::save {
namespace {

using model::ForeignFolder;
using model::ForeignLinear;
using model::LinearKind;

/// Zero points as lieq's grids have them, doubled.
enum class Grid { kSym, kSkew, kAsym, kHalf };

class FolderExports : public testing::Test {
 protected:
  model::Model load(const std::filesystem::path& path) {
    return test::must(model::Model::load(path, threads, sink, model::LoadOptions::as_stored()));
  }

  /// A GPTQ folder of one width and grid.
  model::Model source(ForeignFolder& folder, unsigned bits, std::size_t group_size, Grid grid) {
    unsigned seed = 1;
    for (const model::LinearShape& shape : model::linear_shapes()) {
      ForeignLinear m = model::random_linear(shape.out, 32, bits, group_size, DType::kF16, seed++);
      const std::uint32_t middle = 1U << (bits - 1);
      for (std::uint32_t& zero : m.zeros) {
        if (grid == Grid::kSym) zero = middle;
        if (grid == Grid::kSkew) zero = middle - zero % 2;
        if (grid == Grid::kHalf) zero = 1 + zero % (2 * middle);  // doubled
      }
      folder.put_gptq(shape.module, m, DType::kF16, grid == Grid::kHalf ? 1 : 0);
    }
    folder.config["quantization_config"] = {{"quant_method", "gptq"},
                                            {"bits", bits},
                                            {"group_size", group_size},
                                            {"checkpoint_format", grid == Grid::kHalf ? "lieq_half" : "gptq_v2"}};
    folder.write();
    return load(folder.path());
  }

  Result<ExportRecord> run(const char* target, const model::Model& model, std::optional<DType> embed = {}) {
    ExportOptions options;
    options.output = output.path() / ("out" + std::to_string(++count));
    options.embed = embed;
    return export_model(**find_target(target), model, options, threads, sink);
  }

  void expect_same(const model::Model& a, const model::Model& b) {
    for (const LinearKind kind : model::kLinearKinds) {
      const pack::StoredMatrix &x = a.layers[0].linear(kind).weight, &y = b.layers[0].linear(kind).weight;
      std::vector<float> row(x.cols), other(x.cols);
      for (std::size_t i = 0; i < x.rows; ++i) {
        kernels::decode_row(x, i, row.data());
        kernels::decode_row(y, i, other.data());
        ASSERT_EQ(row, other) << model::name(kind) << " row " << i;
      }
    }
  }

  /// Nothing but what earlier exports left.
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(output.path()), {}));
  }

  Threads threads{2};
  Sink sink;
  ForeignFolder output;  // its folder alone is used
  int count = 0;
};

struct Case {
  const char* target;
  unsigned bits;
  Grid grid;
  const char* refused;  ///< part of the message, or nullptr
};

TEST_F(FolderExports, EveryGridGoesWhereItFits) {
  const Case cases[] = {
      {"gptq", 4, Grid::kSym, nullptr},
      {"gptq", 2, Grid::kSkew, "found zero points of an asymmetric grid, but gptq holds only 2; gptq_v2"},
      {"gptq_v2", 2, Grid::kSkew, nullptr},
      {"gptq_v2", 4, Grid::kAsym, nullptr},
      {"gptq_v2", 8, Grid::kAsym, nullptr},
      {"gptq_v2", 2, Grid::kHalf, "found zero points that are half-integers (grid half), but gptq_v2 holds integers"},
      {"awq", 4, Grid::kSym, nullptr},
      {"awq", 4, Grid::kAsym, nullptr},
      {"awq", 2, Grid::kSym, "found 2 bits, but awq holds 4 bits; compressed-tensors and gptq hold 2, 3, 4 and 8"},
      {"awq", 4, Grid::kHalf, "half-integers"},
      {"compressed-tensors", 2, Grid::kSym, nullptr},
      {"compressed-tensors", 4, Grid::kAsym, nullptr},
      {"compressed-tensors", 8, Grid::kSkew, nullptr},
      {"compressed-tensors", 4, Grid::kHalf, "mlx holds them"},
      {"mlx", 2, Grid::kSym, nullptr},
      {"mlx", 8, Grid::kAsym, nullptr},
      {"mlx", 2, Grid::kHalf, nullptr},
      {"mlx", 4, Grid::kHalf, nullptr},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.target) + " " + std::to_string(one.bits));
    ForeignFolder folder;
    const model::Model model = source(folder, one.bits, 32, one.grid);
    const std::size_t before = entries();
    const auto record = run(one.target, model);
    if (one.refused) {
      ASSERT_FALSE(record);
      EXPECT_NE(record.error().message.find(one.refused), std::string::npos) << record.error().message;
      EXPECT_EQ(entries(), before);
      continue;
    }
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(entries(), before + 1);
    const model::Model written = load(record->output);
    EXPECT_EQ(written.layers[0].linear(LinearKind::kQ).weight.packed->bits(), one.bits);
    if (std::string_view(one.target) != "mlx") {
      EXPECT_TRUE(record->differences.empty());
      expect_same(model, written);
    }
  }
}

TEST_F(FolderExports, MlxRoundsScaleTimesZeroOnce) {
  ForeignFolder folder;
  const model::Model model = source(folder, 4, 32, Grid::kHalf);
  const auto record = run("mlx", model);
  ASSERT_TRUE(record) << record.error().message;
  // Scales are below 0.021 and zero points below 8.5: half an ulp of a half below 0.25.
  EXPECT_GT(record->largest_difference(), 0);
  EXPECT_LE(record->largest_difference(), std::ldexp(0.25, -12));
  const Json lieq = test::must(read_json(record->output / "lieq.json"));
  EXPECT_EQ(lieq["export"]["largest_difference"], record->largest_difference());
}

TEST_F(FolderExports, HalfPrecisionWeightsOfAnyModel) {
  ForeignFolder folder;
  const model::Model model = source(folder, 4, 16, Grid::kHalf);
  const auto record = run("hf-fp16", model);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_LE(record->largest_difference(), std::ldexp(0.5, -12));
  const Json config = test::must(read_json(record->output / "config.json"));
  EXPECT_FALSE(config.contains("quantization_config"));
  EXPECT_EQ(config["torch_dtype"], "float16");
  EXPECT_TRUE(run("hf-fp16", load(test::data_dir() / "tiny-llama.gguf")));
}

TEST_F(FolderExports, DenseModelsAreRefusedWhereCodesAreNeeded) {
  const model::Model dense = load(test::data_dir() / "tiny-llama");
  for (const char* target : {"gptq", "gptq_v2", "awq", "compressed-tensors", "mlx"}) {
    const auto record = run(target, dense);
    ASSERT_FALSE(record);
    EXPECT_NE(record.error().message.find("found dense weights, expected a quantised model"), std::string::npos);
  }
}

TEST_F(FolderExports, MixedWidthsAndDenseModules) {
  ForeignFolder folder;
  source(folder, 4, 32, Grid::kSym);
  ForeignLinear up = model::random_linear(32, 32, 2, 32, DType::kF16, 60);
  up.zeros.assign(up.zeros.size(), 2);
  folder.put_gptq("model.layers.0.mlp.up_proj", up, DType::kF16, 0);
  for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"})
    folder.erase("model.layers.0.mlp.gate_proj" + std::string(part));
  folder.put_floats("model.layers.0.mlp.gate_proj.weight", DType::kBF16, {32, 32}, std::vector<float>(1024, 0.5F));
  folder.config["quantization_config"]["dynamic"] = {{".*up_proj", {{"bits", 2}}}};
  folder.write();
  const model::Model model = load(folder.path());
  for (const char* target : {"gptq", "gptq_v2", "compressed-tensors", "mlx", "hf-fp16"}) {
    const auto record = run(target, model);
    ASSERT_TRUE(record) << record.error().message;
    if (std::string_view(target) != "hf-fp16") expect_same(model, load(record->output));
  }
  const auto refused = run("awq", model);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("up_proj': found 2 bits, but awq holds 4"), std::string::npos);
}

TEST_F(FolderExports, EmbeddingsGoIntoMlxPacked) {
  ForeignFolder folder;
  const model::Model model = source(folder, 4, 32, Grid::kSym);
  for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
    const auto record = run("mlx", model, type);
    ASSERT_TRUE(record) << record.error().message;
    const model::Model written = load(record->output);
    ASSERT_TRUE(written.embed_tokens.packed);
    EXPECT_EQ(written.embed_tokens.packed->bits(), type == DType::kQ8_0 ? 8U : 4U);
    // What MLX packed goes on to MLX as it is.
    const auto again = run("mlx", written);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->differences.empty());
    const auto gptq = run("gptq_v2", written);
    ASSERT_FALSE(gptq);
    EXPECT_NE(gptq.error().message.find("found minima, but gptq_v2 holds zero points"), std::string::npos);
  }
  for (const char* target : {"gptq", "awq", "compressed-tensors", "hf-fp16"}) {
    const auto record = run(target, model, DType::kQ8_0);
    ASSERT_FALSE(record);
    EXPECT_NE(record.error().message.find("type of the embedding: found Q8_0"), std::string::npos);
  }
  const auto record = run("gptq", model, DType::kF32);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(load(record->output).embed_tokens.type, DType::kF32);
}

TEST_F(FolderExports, GroupsThatMlxHasNot) {
  ForeignFolder folder;
  const auto record = run("mlx", source(folder, 4, 16, Grid::kSym));
  ASSERT_FALSE(record);
  EXPECT_NE(record.error().message.find("found groups of 16, but mlx holds 32, 64 and 128"), std::string::npos);
}

TEST_F(FolderExports, LargeModelsAreCutIntoShards) {
  ForeignFolder folder;
  const model::Model model = source(folder, 4, 32, Grid::kSym);
  const auto path = output.path() / "shards";
  std::filesystem::create_directories(path);
  HfFolder parts;
  parts.dense = DenseTypes::kHalf;
  parts.shard_bytes = 8000;
  ASSERT_TRUE(write_hf_folder(model, {}, parts, path, threads));
  EXPECT_TRUE(std::filesystem::exists(path / "model.safetensors.index.json"));
  EXPECT_FALSE(std::filesystem::exists(path / "model.safetensors"));
  std::filesystem::copy_file(test::data_dir() / "tiny-llama/tokenizer.json",
                             path / "tokenizer.json");
  const model::Model written = load(path);
  EXPECT_EQ(written.embed_tokens.rows, 272U);
}

/// A model of `layers` layers with packed linears; nothing else is set.
model::Model layers_of_width(Threads& threads, const std::vector<unsigned>& bits) {
  model::Model model;
  model.config.architecture = "LlamaForCausalLM";
  for (const unsigned b : bits) {
    model::Layer& layer = model.layers.emplace_back();
    for (model::Linear& linear : layer.linears) {
      pack::QuantizedMatrix m{32,
                              32,
                              b,
                              32,
                              std::vector<std::uint8_t>(1024),
                              std::vector<std::uint16_t>(32, 0x3C00),
                              std::vector<std::uint16_t>(32, static_cast<std::uint16_t>(1U << b)),
                              {}};
      linear.weight.rows = linear.weight.cols = 32;
      linear.weight.packed = std::make_shared<const pack::PackedMatrix>(threads, m);
    }
  }
  return model;
}

TEST_F(FolderExports, WidthsAreNamedByLayer) {
  model::Model model = layers_of_width(threads, {2, 4, 2, 4, 2});
  Widths widths = widths_of(model);
  ASSERT_EQ(widths.groups.size(), 2U);
  EXPECT_EQ(widths.groups[0].width, (Width{2, 0, true}));
  EXPECT_EQ(widths.groups[0].pattern, R"(^model\.layers\.(?:0|2|4)\..*)");
  EXPECT_EQ(widths.groups[1].pattern, R"(^model\.layers\.(?:1|3)\..*)");
  model.layers[4].linear(LinearKind::kUp).weight = model.layers[1].linear(LinearKind::kUp).weight;
  widths = widths_of(model);
  EXPECT_EQ(widths.groups[1].pattern, R"(^(?:model\.layers\.(?:1|3)\..*|model\.layers\.4\.mlp\.up_proj$))");
  EXPECT_EQ(widths.groups[0].modules.size(), 20U);
}

}  // namespace
}  // namespace lieq::save
