#pragma once
/// NumPy arrays over memory that C++ made.

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace lieq::python {

namespace nb = nanobind;

/// An array of `shape` over what `owner` holds at `data`, without a copy; the array keeps the owner alive.
template <class T, class Owner>
nb::object array_of(const T* data, std::vector<std::size_t> shape, Owner owner,
                    nb::dlpack::dtype type = nb::dtype<T>()) {
  auto kept = std::make_unique<Owner>(std::move(owner));
  const nb::capsule capsule(kept.get(), [](void* object) noexcept { delete static_cast<Owner*>(object); });
  kept.release();
  return nb::cast(nb::ndarray<nb::numpy>(const_cast<T*>(data), shape.size(), shape.data(), capsule, nullptr, type));
}

/// The same over a vector.
template <class T>
nb::object array_of(std::vector<T> values, std::vector<std::size_t> shape, nb::dlpack::dtype type = nb::dtype<T>()) {
  const T* data = values.data();
  return array_of(data, std::move(shape), std::move(values), type);
}

/// Of IEEE halves that C++ keeps as bits.
inline constexpr nb::dlpack::dtype kHalf = {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float), 16, 1};

}  // namespace lieq::python
