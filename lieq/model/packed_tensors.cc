#include "lieq/model/packed_tensors.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/model/tensor_values.h"
#include "lieq/pack/awq.h"
#include "lieq/pack/gptq.h"
#include "lieq/pack/grouped_matrix.h"
#include "lieq/pack/row_streams.h"

namespace lieq::model {
namespace {

/// One module to read: what it should be, and the tensors that claim to be it.
struct Reading {
  Threads& threads;
  ModuleTensors tensors;
  std::size_t out, in;
  LinearQuantization how;

  [[nodiscard]] std::size_t group_size() const { return how.group_size == 0 ? in : how.group_size; }
  [[nodiscard]] std::size_t groups() const { return (in + group_size() - 1) / group_size(); }
  [[nodiscard]] Unexpected bad(const std::string& what) const {
    return fail(ErrorCode::kInvalidFormat, tensors.where() + ": " + what);
  }
  /// For containers that know no short last group.
  [[nodiscard]] Result<void> whole_groups() const {
    if (in % group_size() == 0) return {};
    return bad(fmt::format("found groups of {}, expected a divisor of {} inputs", group_size(), in));
  }
};

using pack::GroupedMatrix;

pack::StoredMatrix stored(std::size_t rows, std::size_t cols) {
  pack::StoredMatrix matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  return matrix;
}

/// Packed codes where they are exact, else float32.
pack::StoredMatrix keep(Threads& threads, GroupedMatrix grouped) {
  pack::StoredMatrix matrix = stored(grouped.rows, grouped.cols);
  const unsigned bits = grouped.bits;
  if (const auto halves = pack::in_halves(threads, grouped)) {
    matrix.packed = std::make_shared<const pack::PackedMatrix>(threads, *halves);
    matrix.narrow_bits = bits == halves->bits ? 0 : bits;
    return matrix;
  }
  auto weights = std::make_shared<std::vector<float>>(matrix.rows * matrix.cols);
  threads.for_each(matrix.rows, [&](std::size_t i, std::size_t) {
    pack::dequantize_row(grouped, i, weights->data() + i * matrix.cols);
  });
  matrix.type = DType::kF32;
  matrix.data = reinterpret_cast<const std::byte*>(weights->data());
  matrix.owner = std::move(weights);
  return matrix;
}

Result<pack::StoredMatrix> read_gptq(const Reading& r) {
  const ModuleTensors& tensors = r.tensors;
  const std::size_t groups = r.groups(), bits = r.how.bits;
  const std::size_t in_words = (r.in * bits + 31) / 32, out_words = (r.out * bits + 31) / 32;
  pack::GptqView view;
  view.in = r.in;
  view.out = r.out;
  view.groups = groups;
  view.bits = r.how.bits;
  LIEQ_ASSIGN(const auto qweight, tensors.take<std::int32_t>(".qweight", DType::kI32, {in_words, r.out}));
  LIEQ_ASSIGN(const auto qzeros, tensors.take<std::int32_t>(".qzeros", DType::kI32, {groups, out_words}));
  LIEQ_ASSIGN(const std::vector<float> scales, tensors.floats(".scales", {groups, r.out}));
  Values<std::int32_t> g_idx;
  if (tensors.find(".g_idx")) {
    LIEQ_ASSIGN(g_idx, tensors.take<std::int32_t>(".g_idx", DType::kI32, {r.in}));
  } else {
    for (std::size_t j = 0; j < r.in; ++j) g_idx.copy.push_back(static_cast<std::int32_t>(j / r.group_size()));
  }
  view.qweight = qweight.view;
  view.qzeros = qzeros.view;
  view.g_idx = g_idx.view.empty() ? std::span<const std::int32_t>(g_idx.copy) : g_idx.view;
  std::vector<std::uint16_t> halves(scales.size());
  std::ranges::transform(scales, halves.begin(), float_to_f16);
  const bool exact = std::ranges::equal(scales, halves, {}, {}, f16_to_float);
  if (!exact || r.in % groups != 0 || r.in % r.group_size() != 0) {
    LIEQ_ASSIGN(GroupedMatrix grouped, pack::group_gptq(r.threads, view, scales, r.how.zeros, tensors.where()));
    return keep(r.threads, std::move(grouped));
  }
  view.scales = halves;
  LIEQ_ASSIGN(pack::PackedMatrix packed, pack::repack_gptq(r.threads, view, r.how.zeros, tensors.where()));
  pack::StoredMatrix matrix = stored(r.out, r.in);
  matrix.packed = std::make_shared<const pack::PackedMatrix>(std::move(packed));
  return matrix;
}

Result<pack::StoredMatrix> read_awq(const Reading& r) {
  LIEQ_TRY(r.whole_groups());
  if (r.out % 8 != 0) return r.bad(fmt::format("found {} outputs, expected a multiple of 8", r.out));
  const std::size_t groups = r.groups(), words = r.out / 8;
  const ModuleTensors& tensors = r.tensors;
  LIEQ_ASSIGN(const auto qweight, tensors.take<std::int32_t>(".qweight", DType::kI32, {r.in, words}));
  LIEQ_ASSIGN(const auto qzeros, tensors.take<std::int32_t>(".qzeros", DType::kI32, {groups, words}));
  LIEQ_ASSIGN(const std::vector<float> scales, tensors.floats(".scales", {groups, r.out}));
  return keep(r.threads, pack::unpack_awq(r.threads, {r.in, r.out, groups, qweight.view, qzeros.view, scales}));
}

/// Where widths of 3, 5, 6 or 7 bits have two layouts, the words of a row tell which.
pack::FieldsPerWord layout_of(const io::Tensor* packed, std::size_t in, unsigned bits) {
  using enum pack::FieldsPerWord;
  const bool whole = packed && packed->shape.size() == 2 && packed->shape[1] != pack::row_words(in, bits, kDense) &&
                     packed->shape[1] == pack::row_words(in, bits, kWhole);
  return whole ? kWhole : kDense;
}

Result<void> check_weight_shape(const Reading& r) {
  if (!r.tensors.find(".weight_shape")) return {};
  const bool narrow = r.tensors.find(".weight_shape")->type == DType::kI32;
  std::vector<std::int64_t> found;
  if (narrow) {
    LIEQ_ASSIGN(const auto values, r.tensors.take<std::int32_t>(".weight_shape", DType::kI32, {2}));
    found.assign(values.view.begin(), values.view.end());
  } else {
    LIEQ_ASSIGN(const auto values, r.tensors.take<std::int64_t>(".weight_shape", DType::kI64, {2}));
    found.assign(values.view.begin(), values.view.end());
  }
  if (std::cmp_equal(found[0], r.out) && std::cmp_equal(found[1], r.in)) return {};
  return r.bad(fmt::format("weight_shape: found [{}, {}], expected [{}, {}]", found[0], found[1], r.out, r.in));
}

/// Zero points as codes: signed ones plus 2^(bits - 1). [out, groups]
Result<std::vector<float>> read_signed_zeros(const Reading& r, std::size_t groups, pack::FieldsPerWord layout) {
  const float middle = static_cast<float>(1U << (r.how.bits - 1));
  std::vector<float> zeros(r.out * groups, middle);
  if (r.how.symmetric) return zeros;
  const io::Tensor* tensor = r.tensors.find(".weight_zero_point");
  if (tensor && tensor->type == DType::kI8) {  // as versions before 0.9 and the strategy "tensor" store them
    const std::vector<std::size_t> shape =
        r.how.one_scale ? std::vector<std::size_t>{1} : std::vector<std::size_t>{r.out, groups};
    LIEQ_ASSIGN(const auto values, r.tensors.take<std::int8_t>(".weight_zero_point", DType::kI8, shape));
    for (std::size_t i = 0; i < zeros.size(); ++i) zeros[i] += static_cast<float>(values.view[r.how.one_scale ? 0 : i]);
    return zeros;
  }
  LIEQ_ASSIGN(const auto words, r.tensors.take<std::int32_t>(".weight_zero_point", DType::kI32,
                                                             {pack::row_words(r.out, r.how.bits, layout), groups}));
  return pack::unpack_columns(words.view, r.out, groups, r.how.bits, layout);
}

/// weight_g_idx, which activation order leaves; nothing where groups are consecutive, which -1 says as well.
Result<std::optional<pack::EqualGroups>> read_order(const Reading& r, std::size_t groups) {
  if (!r.tensors.find(".weight_g_idx")) return std::nullopt;
  LIEQ_ASSIGN(const auto g_idx, r.tensors.take<std::int32_t>(".weight_g_idx", DType::kI32, {r.in}));
  if (std::ranges::all_of(g_idx.view, [](std::int32_t g) { return g == -1; })) return std::nullopt;
  for (const std::int32_t g : g_idx.view)
    if (g < 0 || std::cmp_greater_equal(g, groups))
      return r.bad(fmt::format("weight_g_idx: found group {}, expected below {}", g, groups));
  auto order = pack::equal_groups(g_idx.view, groups);
  if (!order || order->source.size() != groups)
    return r.bad(
        fmt::format("weight_g_idx: found groups of different sizes, expected {} inputs in each", r.group_size()));
  return order;
}

Result<pack::StoredMatrix> read_compressed_tensors(const Reading& r) {
  LIEQ_TRY(r.whole_groups());
  LIEQ_TRY(check_weight_shape(r));
  const std::size_t groups = r.groups();
  const pack::FieldsPerWord layout = layout_of(r.tensors.find(".weight_packed"), r.in, r.how.bits);
  LIEQ_ASSIGN(const auto words, r.tensors.take<std::int32_t>(".weight_packed", DType::kI32,
                                                             {r.out, pack::row_words(r.in, r.how.bits, layout)}));
  GroupedMatrix m{r.out, r.in, r.how.bits, r.group_size(), pack::Origin::kZero, {}, {}, {}, {}};
  if (r.how.one_scale) {
    LIEQ_ASSIGN(const std::vector<float> scale, r.tensors.floats(".weight_scale", {1}));
    m.scales.assign(r.out, scale.front());
  } else {
    LIEQ_ASSIGN(m.scales, r.tensors.floats(".weight_scale", {r.out, groups}));
  }
  LIEQ_ASSIGN(m.origins, read_signed_zeros(r, groups, layout));
  LIEQ_ASSIGN(auto order, read_order(r, groups));
  if (order) m.g_idx = std::move(order->g_idx);
  m.codes = pack::unpack_rows(r.threads, words.view, r.out, r.in, r.how.bits, layout);
  return keep(r.threads, std::move(m));
}

/// Widths that the shapes of weight and scales tell, as mlx-lm takes them for modules that nothing names.
Result<LinearQuantization> widths_by_shape(const Reading& r) {
  LinearQuantization how = r.how;
  const io::Tensor *weight = r.tensors.find(".weight"), *scales = r.tensors.find(".scales");
  if (!weight || weight->shape.size() != 2 || !scales || scales->shape.size() != 2) return how;
  const std::size_t words = weight->shape[1], groups = scales->shape[1];
  for (const unsigned bits : {2U, 3U, 4U, 5U, 6U, 8U})
    if (words == pack::row_words(r.in, bits, pack::FieldsPerWord::kDense)) how.bits = bits;
  if (groups > 0 && r.in % groups == 0) how.group_size = r.in / groups;
  return how;
}

Result<pack::StoredMatrix> read_mlx(Reading r) {
  if (r.how.by_shape) {
    LIEQ_ASSIGN(r.how, widths_by_shape(r));
  }
  LIEQ_TRY(r.whole_groups());
  const std::size_t groups = r.groups();
  LIEQ_ASSIGN(const auto words,
              r.tensors.take<std::int32_t>(".weight", DType::kU32,
                                           {r.out, pack::row_words(r.in, r.how.bits, pack::FieldsPerWord::kDense)}));
  GroupedMatrix m{r.out, r.in, r.how.bits, r.group_size(), pack::Origin::kMinimum, {}, {}, {}, {}};
  LIEQ_ASSIGN(m.scales, r.tensors.floats(".scales", {r.out, groups}));
  LIEQ_ASSIGN(m.origins, r.tensors.floats(".biases", {r.out, groups}));
  m.codes = pack::unpack_rows(r.threads, words.view, r.out, r.in, r.how.bits);
  return keep(r.threads, std::move(m));
}

}  // namespace

std::span<const std::string_view> packed_parts(Container container) {
  static constexpr std::string_view kGptq[] = {".qweight", ".qzeros", ".scales", ".g_idx"};
  static constexpr std::string_view kCompressed[] = {".weight_packed", ".weight_scale", ".weight_shape",
                                                     ".weight_zero_point", ".weight_g_idx"};
  static constexpr std::string_view kMlx[] = {".scales", ".biases", ".weight"};
  switch (container) {
    case Container::kGptq:
    case Container::kAwq: return kGptq;
    case Container::kCompressedTensors: return kCompressed;
    case Container::kMlx: return kMlx;
  }
  LIEQ_CHECK(false);
}

Result<pack::StoredMatrix> read_packed(Threads& threads, const io::TensorSet& files, const std::string& module,
                                       const std::vector<std::size_t>& shape, const LinearQuantization& how,
                                       const std::string& place) {
  const Reading reading{threads, {files, module, place}, shape[0], shape[1], how};
  switch (how.container) {
    case Container::kGptq: return read_gptq(reading);
    case Container::kAwq: return read_awq(reading);
    case Container::kCompressedTensors: return read_compressed_tensors(reading);
    case Container::kMlx: return read_mlx(reading);
  }
  LIEQ_CHECK(false);
}

}  // namespace lieq::model
