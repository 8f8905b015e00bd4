#include "lieq/model/gptq_tensors.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace lieq::model {
namespace {

/// The values of a tensor after checking dtype and shape: where they lie, or in `copy` when they lie askew.
template <class T>
Result<std::span<const T>> take(const io::TensorSet& files, const std::string& name, DType type,
                                const std::vector<std::size_t>& shape, const std::string& place, std::vector<T>& copy) {
  const io::Tensor* tensor = files.find(name);
  if (!tensor)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: tensor '{}': missing, expected shape {} of {}", place, name,
                                                       io::shape_text(shape), lieq::name(type)));
  if (tensor->type != type || tensor->shape != shape)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: tensor '{}': shape {} of {}, expected {} of {}", tensor->file, name,
                            io::shape_text(tensor->shape), lieq::name(tensor->type), io::shape_text(shape),
                            lieq::name(type)));
  const std::size_t count = tensor->data.size() / sizeof(T);
  if (std::bit_cast<std::uintptr_t>(tensor->data.data()) % alignof(T) == 0)
    return std::span{reinterpret_cast<const T*>(tensor->data.data()), count};
  copy.resize(count);
  std::memcpy(copy.data(), tensor->data.data(), tensor->data.size());
  return std::span<const T>(copy);
}

}  // namespace

Result<pack::PackedMatrix> read_gptq(Threads& threads, const io::TensorSet& files, const std::string& module,
                                        const std::vector<std::size_t>& shape, const LinearQuantization& widths,
                                        pack::ZeroFormat zeros, const std::string& place) {
  pack::GptqView tensors;
  pack::GptqTensors askew;
  tensors.out = shape[0];
  tensors.in = shape[1];
  tensors.bits = widths.bits;
  const std::size_t group_size = widths.group_size == 0 ? tensors.in : widths.group_size;
  tensors.groups = (tensors.in + group_size - 1) / group_size;
  const std::size_t in_words = (tensors.in * tensors.bits + 31) / 32,
                    out_words = (tensors.out * tensors.bits + 31) / 32;
  LIEQ_ASSIGN(tensors.qweight, take<std::int32_t>(files, module + ".qweight", DType::kI32, {in_words, tensors.out},
                                                  place, askew.qweight));
  LIEQ_ASSIGN(tensors.qzeros, take<std::int32_t>(files, module + ".qzeros", DType::kI32, {tensors.groups, out_words},
                                                 place, askew.qzeros));
  LIEQ_ASSIGN(tensors.scales, take<std::uint16_t>(files, module + ".scales", DType::kF16, {tensors.groups, tensors.out},
                                                  place, askew.scales));
  if (files.find(module + ".g_idx")) {
    LIEQ_ASSIGN(tensors.g_idx,
              take<std::int32_t>(files, module + ".g_idx", DType::kI32, {tensors.in}, place, askew.g_idx));
  } else {
    for (std::size_t j = 0; j < tensors.in; ++j) askew.g_idx.push_back(static_cast<std::int32_t>(j / group_size));
    tensors.g_idx = askew.g_idx;
  }
  return pack::repack_gptq(threads, tensors, zeros, fmt::format("{}: {}", place, module));
}

}  // namespace lieq::model
