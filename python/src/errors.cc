#include "errors.h"

namespace lieq::python {
namespace {

const char* class_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "UsageError";
    case ErrorCode::kNotFound: return "NotFoundError";
    case ErrorCode::kInvalidFormat: return "FormatError";
    case ErrorCode::kUnsupported: return "UnsupportedError";
    case ErrorCode::kNumerical: return "NumericalError";
    case ErrorCode::kIo:
    case ErrorCode::kCollapsed:
    case ErrorCode::kCancelled: break;
  }
  return "Error";
}

}  // namespace

void raise(const Error& error) {
  const nb::object type = nb::module_::import_("lieq.errors").attr(class_of(error.code));
  const nb::object text =
      nb::steal(PyUnicode_DecodeUTF8(error.message.data(), static_cast<Py_ssize_t>(error.message.size()), "replace"));
  PyErr_SetObject(type.ptr(), text.ptr());
  throw nb::python_error();
}

}  // namespace lieq::python
