#pragma once
/// Answers in JSON (internal to the server).

#include <string>

#include <httplib.h>

#include "lieq/serve/api_error.h"

namespace lieq::serve {

void reply(httplib::Response& response, const OrderedJson& body);
/// Also asks for the connection to be closed.
void reply(httplib::Response& response, const ApiError& error);
[[nodiscard]] ApiError still_loading();
/// The path of a request for an error message.
[[nodiscard]] std::string printable_path(const httplib::Request& request);

}  // namespace lieq::serve
