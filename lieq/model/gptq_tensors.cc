#include "lieq/model/gptq_tensors.h"

#include <cstring>

#include <fmt/format.h>

namespace lieq::model {
namespace {

/// Copies a tensor out as T after checking dtype and shape.
template <class T>
Result<std::vector<T>> take(const io::TensorSet& files, const std::string& name, DType type,
                            const std::vector<std::size_t>& shape, const std::string& place) {
  const io::Tensor* tensor = files.find(name);
  if (!tensor)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: tensor '{}': missing, expected shape {} of {}", place, name, io::shape_text(shape), lieq::name(type)));
  if (tensor->type != type || tensor->shape != shape)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: tensor '{}': shape {} of {}, expected {} of {}", tensor->file, name,
                            io::shape_text(tensor->shape), lieq::name(tensor->type), io::shape_text(shape), lieq::name(type)));
  std::vector<T> values(tensor->data.size() / sizeof(T));
  std::memcpy(values.data(), tensor->data.data(), tensor->data.size());
  return values;
}

}  // namespace

Result<pack::PackedMatrix> read_gptq(Threads& threads, const io::TensorSet& files, const std::string& module,
                                        const std::vector<std::size_t>& shape, const LinearQuantization& widths,
                                        pack::ZeroFormat zeros, const std::string& place) {
  pack::GptqTensors tensors;
  tensors.out = shape[0];
  tensors.in = shape[1];
  tensors.bits = widths.bits;
  const std::size_t group_size = widths.group_size == 0 ? tensors.in : widths.group_size;
  tensors.groups = (tensors.in + group_size - 1) / group_size;
  const std::size_t in_words = (tensors.in * tensors.bits + 31) / 32, out_words = (tensors.out * tensors.bits + 31) / 32;
  LIEQ_ASSIGN(tensors.qweight, take<std::int32_t>(files, module + ".qweight", DType::kI32, {in_words, tensors.out}, place));
  LIEQ_ASSIGN(tensors.qzeros, take<std::int32_t>(files, module + ".qzeros", DType::kI32, {tensors.groups, out_words}, place));
  LIEQ_ASSIGN(tensors.scales, take<std::uint16_t>(files, module + ".scales", DType::kF16, {tensors.groups, tensors.out}, place));
  if (files.find(module + ".g_idx")) {
    LIEQ_ASSIGN(tensors.g_idx, take<std::int32_t>(files, module + ".g_idx", DType::kI32, {tensors.in}, place));
  } else {
    for (std::size_t j = 0; j < tensors.in; ++j) tensors.g_idx.push_back(static_cast<std::int32_t>(j / group_size));
  }
  return pack::repack_gptq(threads, tensors, zeros, fmt::format("{}: {}", place, module));
}

}  // namespace lieq::model
