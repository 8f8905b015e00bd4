#pragma once
/// The service over HTTP: OpenAI's routes and those of llama.cpp's server.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "lieq/base/result.h"
#include "lieq/serve/connection.h"
#include "lieq/serve/service.h"

namespace lieq::serve {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;            ///< 0: one that is free
  std::string api_key;        ///< empty: none is asked for
  std::string cors_origin;    ///< what Access-Control-Allow-Origin says; empty: nothing
  std::size_t threads = 128;  ///< connections that are served together; more wait
  ConnectionLimits limits;
};

class HttpServer : private httplib::Server {
 public:
  explicit HttpServer(HttpOptions options);

  /// The port that it listens at. Errors: kIo (the address is in use, or not of this machine).
  [[nodiscard]] Result<int> bind();
  /// Answers requests until stop(), all but /health with 503 until there is a service.
  void run();
  /// Takes no more requests; run() returns when those under way have been answered. From another thread than run(),
  /// which has been called or will be.
  void stop();
  /// From now on requests go to `service`.
  void set_service(std::shared_ptr<Service> service);

 private:
  using Request = httplib::Request;
  using HttpResponse = httplib::Response;

  bool process_and_close_socket(socket_t socket) override;
  void serve_connection(socket_t socket);
  void add_routes();
  void add_get(const std::string& path, void (HttpServer::*handler)(Service&, const Request&, HttpResponse&));
  void add_post(const std::string& path, void (HttpServer::*handler)(Service&, const Request&, HttpResponse&));
  [[nodiscard]] bool authorized(const Request& request) const;
  [[nodiscard]] std::shared_ptr<Service> service() const;

  void health(const Request& request, HttpResponse& response);
  void models(Service& service, const Request& request, HttpResponse& response);
  void one_model(Service& service, const Request& request, HttpResponse& response);
  void props(Service& service, const Request& request, HttpResponse& response);
  void metrics(Service& service, const Request& request, HttpResponse& response);
  void tokenize(Service& service, const Request& request, HttpResponse& response);
  void detokenize(Service& service, const Request& request, HttpResponse& response);
  void apply_template(Service& service, const Request& request, HttpResponse& response);
  void embeddings(Service& service, const Request& request, HttpResponse& response);
  void chat(Service& service, const Request& request, HttpResponse& response);
  void completion(Service& service, const Request& request, HttpResponse& response);
  void llama_completion(Service& service, const Request& request, HttpResponse& response);
  void answer(Service& service, Route route, const Request& request, HttpResponse& response);

  HttpOptions options_;
  std::atomic<bool> stopping_{false}, ended_{false};
  std::atomic<std::uint64_t> answers_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<Service> service_;
};

}  // namespace lieq::serve
