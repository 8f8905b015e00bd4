/// The routes of HttpServer that make text: whole answers and streams of them.

#include <chrono>
#include <ctime>

#include <fmt/format.h>

#include "lieq/serve/http_reply.h"
#include "lieq/serve/http_server.h"
#include "lieq/serve/response.h"

namespace lieq::serve {
namespace {

/// How soon a client that went away is noticed.
constexpr std::chrono::milliseconds kLookAtClient{20};

std::string line_of(const OrderedJson& data) {
  return "data: " + data.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n\n";
}

/// An answer under way, kept alive until the library has sent it.
struct Stream {
  std::shared_ptr<Service> service;
  std::unique_ptr<Answer> answer;
  Response response;

  /// Sends what has come. False: the client is gone.
  bool send_next(httplib::DataSink& sink) {
    const auto event = answer->next(kLookAtClient);
    const Connection* client = Connection::current();
    if (client && client->gone()) return answer->cancel(), false;
    if (!event) return true;
    std::string text;
    for (const OrderedJson& chunk : response.chunks(*event)) text += line_of(chunk);
    if (answer->done()) {
      if (response.failure()) {
        text = line_of(response.failure()->to_json());
      } else if (const auto usage = response.usage_chunk()) {
        text += line_of(*usage);
      }
      // llama.cpp's own streams end with the object that says stop: its clients take every line for JSON.
      if (answer->request().route != Route::kLlamaCompletion) text += "data: [DONE]\n\n";
    }
    return text.empty() || sink.write(text.data(), text.size());
  }
};

void send_stream(std::shared_ptr<Stream> stream, httplib::Response& response) {
  response.set_header("Cache-Control", "no-cache");
  response.set_chunked_content_provider("text/event-stream", [stream](std::size_t, httplib::DataSink& sink) {
    try {
      if (!stream->send_next(sink)) return false;
    } catch (const std::exception&) {  // out of memory; the library would let it end the program
      return false;
    }
    if (stream->answer->done()) sink.done();
    return true;
  });
}

void send_whole(Stream& stream, httplib::Response& response) {
  while (!stream.answer->done()) {
    if (const auto event = stream.answer->next(kLookAtClient)) stream.response.add(*event);
    const Connection* client = Connection::current();
    if (client && client->gone()) {
      stream.answer->cancel();
      return reply(response, ApiError{499, "the client closed its side before the answer was there"});
    }
  }
  if (stream.response.failure()) return reply(response, *stream.response.failure());
  reply(response, stream.response.whole());
}

}  // namespace

void HttpServer::chat(Service& service, const Request& request, HttpResponse& response) {
  answer(service, Route::kChat, request, response);
}

void HttpServer::completion(Service& service, const Request& request, HttpResponse& response) {
  answer(service, Route::kCompletion, request, response);
}

void HttpServer::llama_completion(Service& service, const Request& request, HttpResponse& response) {
  answer(service, Route::kLlamaCompletion, request, response);
}

void HttpServer::answer(Service& service, Route route, const Request& request, HttpResponse& response) {
  const auto body = parse_body(request.body);
  if (!body) return reply(response, body.error());
  auto asked = read_request(*body, route, service.served());
  if (!asked) return reply(response, asked.error());
  const SchedulerOptions& scheduling = service.scheduler().options();
  if (const std::size_t most = scheduling.slots + scheduling.queue; asked->texts() > most)
    return reply(response,
                 bad_parameter("n", fmt::format("found {} texts, expected at most the {} that can run or wait",
                                                asked->texts(), most))
                     .value());
  std::unique_ptr<Answer> started = service.answer(std::move(*asked));
  if (!started && stopping_) return reply(response, ApiError{503, "the server is shutting down"});
  if (!started) return reply(response, ApiError{429, "too many requests are waiting; try again later"});
  AnswerName name{
      fmt::format("{}-{:x}-{}", route == Route::kChat ? "chatcmpl" : "cmpl", std::time(nullptr), ++answers_),
      service.name(), std::time(nullptr)};
  const TextRequest& text_request = started->request();
  auto stream = std::make_shared<Stream>(
      Stream{this->service(), std::move(started), Response(text_request, service.served(), std::move(name))});
  text_request.stream ? send_stream(std::move(stream), response) : send_whole(*stream, response);
}

}  // namespace lieq::serve
