#pragma once
/// Values of tensors after their dtype and shape were checked (internal to model/).

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/result.h"
#include "lieq/io/tensors.h"
#include "lieq/pack/decode.h"

namespace lieq::model {

/// Where values lie: in the mapped file, or in `copy` when they lie askew there.
template <class T>
struct Values {
  std::span<const T> view;
  std::vector<T> copy;
};

/// The tensors of one module, whose missing ones are reported at `place`.
struct ModuleTensors {
  const io::TensorSet& files;
  const std::string& module;
  const std::string& place;

  [[nodiscard]] const io::Tensor* find(std::string_view part) const { return files.find(module + std::string(part)); }
  [[nodiscard]] std::string where() const { return fmt::format("{}: {}", place, module); }

  /// Errors: kInvalidFormat when it is missing or of another shape or none of `types`, which `expected` names.
  [[nodiscard]] Result<const io::Tensor*> need(std::string_view part, std::span<const DType> types,
                                               std::string_view expected, const std::vector<std::size_t>& shape) const;

  /// type: that of T in the file; U32 and I32 have the same bits.
  template <class T>
  Result<Values<T>> take(std::string_view part, DType type, const std::vector<std::size_t>& shape) const {
    LIEQ_ASSIGN(const io::Tensor* tensor, need(part, {&type, 1}, lieq::name(type), shape));
    Values<T> values;
    const std::size_t count = tensor->data.size() / sizeof(T);
    if (std::bit_cast<std::uintptr_t>(tensor->data.data()) % alignof(T) == 0) {
      values.view = {reinterpret_cast<const T*>(tensor->data.data()), count};
    } else {
      values.copy.resize(count);
      std::memcpy(values.copy.data(), tensor->data.data(), tensor->data.size());
      values.view = values.copy;
    }
    return values;
  }

  /// F16, BF16 or F32, as float32.
  [[nodiscard]] Result<std::vector<float>> floats(std::string_view part, const std::vector<std::size_t>& shape) const;
};

}  // namespace lieq::model
