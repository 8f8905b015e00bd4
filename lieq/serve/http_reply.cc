#include "lieq/serve/http_reply.h"

#include "lieq/base/message.h"

namespace lieq::serve {

void reply(httplib::Response& response, const OrderedJson& body) {
  response.set_content(body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), "application/json");
}

void reply(httplib::Response& response, const ApiError& error) {
  response.status = error.status;
  response.set_header("Connection", "close");
  if (error.status == 429 || error.status == 503) response.set_header("Retry-After", "1");
  reply(response, error.to_json());
}

ApiError still_loading() { return {503, "Loading model"}; }

std::string printable_path(const httplib::Request& request) { return printable(request.path, 100); }

}  // namespace lieq::serve
