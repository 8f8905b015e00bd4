#include "json.h"

#include <string>

#include <nanobind/stl/string.h>

#include "errors.h"

namespace lieq::python {
namespace {

OrderedJson whole_number(nb::handle value) {
  const nb::object number = nb::steal(PyNumber_Index(value.ptr()));
  if (!number.is_valid()) throw nb::python_error();
  int overflow = 0;
  const long long small = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow == 0 && small >= 0) return static_cast<std::uint64_t>(small);  // what readers of counts ask for
  if (overflow == 0) return small;
  if (overflow < 0) refuse("found an integer below -2^63, expected one of 64 bits");
  const unsigned long long large = PyLong_AsUnsignedLongLong(number.ptr());
  if (PyErr_Occurred()) throw nb::python_error();
  return large;
}

}  // namespace

OrderedJson from_python(nb::handle value) {
  if (value.is_none()) return nullptr;
  if (PyBool_Check(value.ptr())) return value.ptr() == Py_True;
  if (nb::isinstance<nb::str>(value)) return nb::cast<std::string>(value);
  if (PyIndex_Check(value.ptr())) return whole_number(value);
  if (PyFloat_Check(value.ptr())) return nb::cast<double>(value);
  if (Py_EnterRecursiveCall(" while values are turned into JSON")) throw nb::python_error();
  OrderedJson json;
  if (nb::isinstance<nb::dict>(value)) {
    json = OrderedJson::object();
    for (const auto& [key, one] : nb::borrow<nb::dict>(value)) json[nb::str(key).c_str()] = from_python(one);
  } else if (nb::isinstance<nb::list>(value) || nb::isinstance<nb::tuple>(value)) {
    json = OrderedJson::array();
    for (const nb::handle one : value) json.push_back(from_python(one));
  } else {
    Py_LeaveRecursiveCall();
    refuse(std::string("found ") + nb::inst_name(value).c_str() + ", expected None, a number, str, list or dict");
  }
  Py_LeaveRecursiveCall();
  return json;
}

}  // namespace lieq::python
