#include "lieq/model/tensor_values.h"

#include <algorithm>

namespace lieq::model {

Result<const io::Tensor*> ModuleTensors::need(std::string_view part, std::span<const DType> types,
                                              std::string_view expected, const std::vector<std::size_t>& shape) const {
  const std::string name = module + std::string(part);
  const io::Tensor* tensor = files.find(name);
  if (!tensor)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: tensor '{}': missing, expected shape {} of {}", place, name,
                                                       io::shape_text(shape), expected));
  if (tensor->shape != shape || std::ranges::find(types, tensor->type) == types.end())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: tensor '{}': shape {} of {}, expected {} of {}", tensor->file, name,
                            io::shape_text(tensor->shape), lieq::name(tensor->type), io::shape_text(shape), expected));
  return tensor;
}

Result<std::vector<float>> ModuleTensors::floats(std::string_view part, const std::vector<std::size_t>& shape) const {
  constexpr DType kFloats[] = {DType::kF16, DType::kBF16, DType::kF32};
  LIEQ_ASSIGN(const io::Tensor* tensor, need(part, kFloats, "F16, BF16 or F32", shape));
  std::vector<float> values(tensor->data.size() / block_bytes(tensor->type));
  pack::decode(tensor->type, tensor->data.data(), values.size(), values.data());
  return values;
}

}  // namespace lieq::model
