#pragma once
/// JSON values as Python's own, and back.

#include <nanobind/nanobind.h>

#include "lieq/base/json.h"

namespace lieq::python {

namespace nb = nanobind;

/// dict, list, str, int, float, bool or None. Bytes that are no UTF-8 become U+FFFD.
template <class AnyJson>
nb::object to_python(const AnyJson& json) {
  if (json.is_null()) return nb::none();
  if (json.is_boolean()) return nb::bool_(json.template get<bool>());
  if (json.is_number_unsigned()) return nb::int_(json.template get<std::uint64_t>());
  if (json.is_number_integer()) return nb::int_(json.template get<std::int64_t>());
  if (json.is_number()) return nb::float_(json.template get<double>());
  const auto text = [](const std::string& s) {
    return nb::steal(PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "replace"));
  };
  if (json.is_string()) return text(json.template get_ref<const std::string&>());
  if (json.is_array()) {
    nb::list list;
    for (const auto& one : json) list.append(to_python(one));
    return list;
  }
  nb::dict dict;
  for (const auto& [key, value] : json.items()) dict[text(key)] = to_python(value);
  return dict;
}

/// Of None, bool, int, float, str, list, tuple and dict, and what counts as one of them (NumPy's scalars). Keys become
/// strings. Raises UsageError for anything else.
[[nodiscard]] OrderedJson from_python(nb::handle value);

}  // namespace lieq::python
