#include "lieq/serve/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "lieq/serve/http_reply.h"
#include "lieq/serve/page.h"

namespace lieq::serve {
namespace {

/// As long as the key is, wherever the first difference.
bool equal_in_constant_time(std::string_view given, std::string_view key) {
  unsigned difference = given.size() == key.size() ? 0 : 1;
  for (std::size_t i = 0; i < key.size(); ++i)
    difference |= static_cast<unsigned>(static_cast<unsigned char>(key[i]) ^
                                        static_cast<unsigned char>(i < given.size() ? given[i] : 0));
  return difference == 0;
}

/// Reads for a moment what the client still sends: closed at once, the connection would be reset, and the client might
/// not see the answer.
void close_gently(socket_t socket, bool in_a_hurry) {
  ::shutdown(socket, SHUT_WR);
  timeval wait{0, 200000};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  std::array<char, 4096> dropped{};
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(in_a_hurry ? 0 : 1000);
  while (std::chrono::steady_clock::now() < end && ::recv(socket, dropped.data(), dropped.size(), 0) > 0) {
  }
  ::close(socket);
}

thread_local int last_status = 0;

}  // namespace

HttpServer::HttpServer(HttpOptions options) : options_(std::move(options)) {
  new_task_queue = [this] { return new httplib::ThreadPool(options_.threads); };
  // The library's own options let a second server listen at the same port.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  set_tcp_nodelay(true);
  set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(options_.limits.idle).count());
  set_keep_alive_max_count(1 << 20);
  set_payload_max_length(options_.limits.body_bytes);
  set_logger([](const Request&, const HttpResponse& response) { last_status = response.status; });
  set_error_handler([](const Request& request, HttpResponse& response) {
    if (!response.body.empty()) return;
    if (response.status == 404) return reply(response, ApiError{404, "no such route: " + printable_path(request)});
    if (response.status == 413) return reply(response, ApiError{413, "the body is too large"});
    reply(response, ApiError{response.status, "the request is not one of HTTP/1.1 that this server understands"});
  });
  set_exception_handler([](const Request&, HttpResponse& response, std::exception_ptr problem) {
    try {
      std::rethrow_exception(problem);
    } catch (const std::exception& error) {
      reply(response, ApiError{500, std::string("internal error: ") + error.what()});
    }
  });
  add_routes();
}

void HttpServer::add_routes() {
  set_pre_routing_handler([this](const Request& request, HttpResponse& response) {
    if (!options_.cors_origin.empty()) {
      response.set_header("Access-Control-Allow-Origin", options_.cors_origin);
      response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type");
      response.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
      if (request.method == "OPTIONS") return response.status = 204, HandlerResponse::Handled;
    }
    if (authorized(request)) return HandlerResponse::Unhandled;
    reply(response, ApiError{401, "the API key is missing or wrong", "", "invalid_api_key"});
    return HandlerResponse::Handled;
  });
  Get("/", [](const Request&, HttpResponse& response) {
    response.set_header("Content-Security-Policy", std::string(kPagePolicy));
    response.set_header("Cache-Control", "no-cache");
    response.set_content(kPage.data(), kPage.size(), "text/html; charset=utf-8");
  });
  for (const char* prefix : {"/v1", ""}) {
    const std::string v1 = prefix;
    Get(v1 + "/health", [this](const Request& request, HttpResponse& response) { health(request, response); });
    add_get(v1 + "/models", &HttpServer::models);
    add_get(v1 + "/models/(.+)", &HttpServer::one_model);
    add_post(v1 + "/chat/completions", &HttpServer::chat);
    add_post(v1 + "/completions", &HttpServer::completion);
    add_post(v1 + "/embeddings", &HttpServer::embeddings);
  }
  add_get("/props", &HttpServer::props);
  add_get("/metrics", &HttpServer::metrics);
  add_post("/completion", &HttpServer::llama_completion);
  add_post("/tokenize", &HttpServer::tokenize);
  add_post("/detokenize", &HttpServer::detokenize);
  add_post("/apply-template", &HttpServer::apply_template);
  add_post("/embedding", &HttpServer::embeddings);
}

void HttpServer::add_get(const std::string& path,
                         void (HttpServer::*handler)(Service&, const Request&, HttpResponse&)) {
  Get(path, [this, handler](const Request& request, HttpResponse& response) {
    const auto one = service();
    if (!one) return reply(response, still_loading());
    (this->*handler)(*one, request, response);
  });
}

void HttpServer::add_post(const std::string& path,
                          void (HttpServer::*handler)(Service&, const Request&, HttpResponse&)) {
  Post(path, [this, handler](const Request& request, HttpResponse& response) {
    const auto one = service();
    if (!one) return reply(response, still_loading());
    (this->*handler)(*one, request, response);
  });
  Get(path, [path](const Request&, HttpResponse& response) {
    response.set_header("Allow", "POST");
    reply(response, ApiError{405, path + ": expected POST"});
  });
}

/// The page and the state of health are open to all.
bool HttpServer::authorized(const Request& request) const {
  if (options_.api_key.empty() || request.method == "OPTIONS") return true;
  for (const char* open : {"/", "/health", "/v1/health"})
    if (request.path == open) return true;
  std::string given = request.get_header_value("Authorization");
  constexpr std::string_view kBearer = "Bearer ";
  if (given.starts_with(kBearer)) given.erase(0, kBearer.size());
  if (given.empty()) given = request.get_header_value("X-Api-Key");
  return equal_in_constant_time(given, options_.api_key);
}

std::shared_ptr<Service> HttpServer::service() const {
  const std::lock_guard lock(mutex_);
  return service_;
}

void HttpServer::set_service(std::shared_ptr<Service> service) {
  const std::lock_guard lock(mutex_);
  service_ = std::move(service);
}

Result<int> HttpServer::bind() {
  if (options_.port == 0) {
    const int port = bind_to_any_port(options_.host);
    if (port > 0) return port;
  } else if (bind_to_port(options_.host, options_.port)) {
    return options_.port;
  }
  return fail(ErrorCode::kIo, fmt::format("{}:{}: cannot listen there; is the port in use, or the host not this one?",
                                          options_.host, options_.port));
}

void HttpServer::run() {
  if (!stopping_) listen_after_bind();
  ended_ = true;
}

void HttpServer::stop() {
  stopping_ = true;
  // The library takes no notice before it listens.
  while (!ended_ && !is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  httplib::Server::stop();
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  try {
    serve_connection(socket);
  } catch (const std::exception&) {  // out of memory outside of a handler: this client's loss only
  }
  close_gently(socket, stopping_);
  return true;
}

void HttpServer::serve_connection(socket_t socket) {
  Connection connection(socket, options_.limits);
  const Connection::Current current(connection);
  // What would make the library unpack, split or convert a body, cut an answer to pieces, or wait for a body that was
  // not announced: there is none then, and the client waits for its answer.
  const auto simplify = [](Request& request) {
    request.ranges.clear();
    for (const char* name : {"Content-Type", "Content-Encoding", "Accept-Encoding", "Range"})
      request.headers.erase(name);
    if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"))
      request.set_header("Content-Length", "0");
  };
  while (connection.wait_for_request(stopping_)) {
    bool closed = false;
    last_status = 0;
    const bool done = process_request(connection, stopping_, closed, simplify);
    // After an error the rest of a body may still be on its way: it must not be taken for the next request.
    if (!done || closed || connection.broken() || last_status >= 400 || last_status == 0) return;
  }
}

}  // namespace lieq::serve
