#include "lieq/serve/api_error.h"

namespace lieq::serve {
namespace {

const char* type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 503: return "unavailable_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

OrderedJson ApiError::to_json() const {
  const auto text_or_null = [](const std::string& text) { return text.empty() ? OrderedJson() : OrderedJson(text); };
  OrderedJson error = {{"message", message}, {"type", type_of(status)}, {"param", text_or_null(param)}};
  error["code"] = code.empty() && status != 400 ? OrderedJson(status) : text_or_null(code);
  return {{"error", error}};
}

}  // namespace lieq::serve
