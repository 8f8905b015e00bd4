#pragma once
/// The model of data/tune-golden: random numbers, exact gradients at them, and arrays to try with.

#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "lieq/base/random.h"
#include "lieq/model/forward.h"
#include "lieq/pack/quantized_matrix.h"
#include "tests/support/golden.h"
#include "tests/support/paths.h"

namespace lieq::tune {

inline constexpr std::size_t kSequence = 20, kGroup = 16;  // of the golden file

inline std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

inline double inner(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// The original, and its layers with the golden codes in the place of the linears.
struct GoldenModels {
  explicit GoldenModels(Threads& threads) : expected(test::data_dir() / "tune-golden/expected.safetensors") {
    Sink sink;
    original = test::must(model::Model::load(test::data_dir() / "tune-golden", threads, sink));
    quantised = test::must(model::Model::load(test::data_dir() / "tune-golden", threads, sink));
    for (std::size_t l = 0; l < quantised.layers.size(); ++l)
      for (const model::LinearKind kind : model::kLinearKinds) {
        pack::StoredMatrix& stored = quantised.layers[l].linear(kind).weight;
        matrices.push_back(matrix(l, kind, stored));
        stored.packed = std::make_shared<const pack::PackedMatrix>(threads, matrices.back());
        stored.data = nullptr;
      }
    tokens = expected.get<std::int32_t>("tokens");
  }

  static std::string prefix(std::size_t l, std::string_view part) {
    return "model.layers." + std::to_string(l) + "." + std::string(part);
  }
  /// One after the other: linears of layer 0, of layer 1.
  [[nodiscard]] pack::QuantizedMatrix matrix(std::size_t l, model::LinearKind kind,
                                             const pack::StoredMatrix& stored) const {
    const std::string name = prefix(l, model::name(kind));
    pack::QuantizedMatrix matrix{stored.rows, stored.cols, l == 0 ? 3U : 2U, kGroup, {}, {}, {}, {}};
    matrix.codes = expected.get<std::uint8_t>(name + ".codes");
    matrix.scales = expected.get<std::uint16_t>(name + ".scales");
    for (const std::uint8_t zero : expected.get<std::uint8_t>(name + ".double_zeros"))
      matrix.double_zeros.push_back(zero);
    return matrix;
  }

  test::GoldenArrays expected;
  model::Model original, quantised;
  std::vector<pack::QuantizedMatrix> matrices;
  std::vector<model::TokenId> tokens;
};

}  // namespace lieq::tune
