#pragma once
/// Models quantised by rounding to nearest, in a folder that goes away.

#include <cstdlib>
#include <filesystem>
#include <vector>

#include <gtest/gtest.h>

#include "lieq/kernels/linear.h"
#include "lieq/quantize/run.h"
#include "lieq/save/gptq_folder.h"
#include "tests/support/paths.h"

namespace lieq::save {

inline const std::filesystem::path kTinyModel = test::data_dir() / "tiny-llama";
inline const std::filesystem::path kDemoModel = test::demo_dir();

class SaveTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lieq-save-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  model::Model load(const std::filesystem::path& path,
                    const model::LoadOptions& options = model::LoadOptions::as_stored()) {
    return value(model::Model::load(path, threads_, sink_, options));
  }

  /// A folder of `model` with these widths; needs no calibration, for how well it fits is not what is tested here.
  std::filesystem::path quantized(const model::Model& model, quantize::Grid grid, std::size_t group_size,
                                  const std::vector<unsigned>& layer_bits,
                                  const std::optional<EmbeddingPlan>& embeddings = std::nullopt) {
    std::vector<quantize::LayerWidths> widths;
    for (const unsigned bits : layer_bits) widths.push_back(quantize::uniform_widths(bits));
    return of_widths(model, grid, group_size, widths, embeddings);
  }
  std::filesystem::path of_widths(const model::Model& model, quantize::Grid grid, std::size_t group_size,
                                  const std::vector<quantize::LayerWidths>& widths,
                                  const std::optional<EmbeddingPlan>& embeddings = std::nullopt) {
    quantize::Options options;
    options.method = quantize::Method::kRtn;
    options.grid = grid;
    options.group_size = group_size;
    auto walk = value(quantize::LayerWalk::create(model, {}, 1, options, threads_, sink_));
    FolderContents contents;
    contents.source = &model;
    contents.options = options;
    contents.widths = widths;
    contents.quantizer = "lieq:test";
    contents.embeddings = embeddings;
    contents.layer = [&](std::size_t l) { return walk.quantize(l, widths[l]); };
    const std::filesystem::path folder = path_ / ("quantized" + std::to_string(made_++));
    const auto written = write_gptq_folder(contents, folder);
    if (!written) throw std::runtime_error(written.error().message);
    return folder;
  }

  template <class T>
  static T value(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }

  static std::vector<float> row(const pack::StoredMatrix& matrix, std::size_t i) {
    std::vector<float> values(matrix.cols);
    kernels::decode_row(matrix, i, values.data());
    return values;
  }

  Threads threads_{2};
  Sink sink_;
  std::filesystem::path path_;
  std::size_t made_ = 0;
};

/// The widths of the demo model's twelve layers: two wide ones.
inline const std::vector<unsigned> kMixed = {4, 2, 2, 2, 2, 2, 2, 4, 2, 2, 2, 2};

}  // namespace lieq::save
