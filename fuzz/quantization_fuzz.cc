/// Quantised folders of other tools: a config.json, a zero byte, and a safetensors file. What is read can be decoded,
/// the same twice, and has the shape that was asked for.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/file_of_bytes.h"
#include "lieq/io/safetensors.h"
#include "lieq/kernels/linear.h"
#include "lieq/model/packed_tensors.h"
#include "lieq/model/quantization_config.h"

namespace {

using namespace lieq;

constexpr std::size_t kMostSide = 256;

/// The shape that the file's "shape" asks for, [out, in]; small ones alone.
std::vector<std::size_t> shape_in(const Json& config) {
  const auto found = config.is_object() ? config.find("shape") : config.end();
  if (!config.is_object() || found == config.end() || !found->is_array() || found->size() != 2) return {8, 64};
  std::vector<std::size_t> shape;
  for (const Json& side : *found) {
    if (!side.is_number_unsigned() || side.get<std::size_t>() < 1 || side.get<std::size_t>() > kMostSide)
      return {8, 64};
    shape.push_back(side.get<std::size_t>());
  }
  return shape;
}

std::vector<float> decoded(const pack::StoredMatrix& matrix) {
  std::vector<float> weights(matrix.rows * matrix.cols);
  for (std::size_t i = 0; i < matrix.rows; ++i) kernels::decode_row(matrix, i, weights.data() + i * matrix.cols);
  return weights;
}

void check_module(const io::TensorSet& files, const std::string& module, const std::vector<std::size_t>& shape,
                  const model::LinearQuantization& how) {
  static Threads threads(1);
  const auto matrix = model::read_packed(threads, files, module, shape, how, "fuzz");
  if (!matrix) return fuzz::check_line(matrix.error().message, "fuzz");
  LIEQ_CHECK(matrix->rows == shape[0] && matrix->cols == shape[1]);
  const std::vector<float> weights = decoded(*matrix), again = decoded(*matrix);
  LIEQ_CHECK(std::memcmp(weights.data(), again.data(), weights.size() * sizeof(float)) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::FileOfBytes file;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view text = all.substr(0, all.find('\0'));
  const auto config = model::QuantizationConfig::read(file.write(text));
  if (!config) {
    fuzz::check_line(config.error().message, file.path());
    return 0;
  }
  if (!*config) return 0;
  const auto tensors =
      io::parse_safetensors(std::as_bytes(std::span(data, size)).subspan(std::min(size, text.size() + 1)), "fuzz");
  const std::vector<std::size_t> shape = shape_in(*parse_json(text, "fuzz"));
  for (const char* module : {"model.layers.0.mlp.up_proj", "lm_head"}) {
    const auto how = (*config)->find(module, model::ModuleClass::kLinear);
    if (!how) continue;
    LIEQ_CHECK(how->bits >= 1 && how->bits <= 8 && how->group_size <= (std::size_t{1} << 20));
    LIEQ_CHECK(how->container == (*config)->container());
    if (tensors) check_module(*tensors, module, shape, *how);
  }
  return 0;
}
