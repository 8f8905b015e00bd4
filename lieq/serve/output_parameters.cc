/// What the answer has to look like: response_format, grammar, json_schema.

#include <fmt/format.h>

#include "lieq/serve/request.h"

namespace lieq::serve {

ApiResult<void> read_output_form(Parameters& parameters, const Served& /*served*/, TextRequest& /*request*/) {
  const OrderedJson* format = parameters.find("response_format");
  if (format && !(format->is_object() && format->contains("type") && (*format)["type"] == "text"))
    return bad_parameter("response_format", "only {\"type\": \"text\"} is run by this build");
  for (const char* name : {"grammar", "json_schema"})
    if (const OrderedJson* value = parameters.find(name); value && *value != "")
      return bad_parameter(name, "not run by this build");
  return {};
}

}  // namespace lieq::serve
