#pragma once
/// One connection of a client, with bounds on what it may send and on how long it may take.

#include <chrono>
#include <cstddef>
#include <string>

#include <httplib.h>

namespace lieq::serve {

struct ConnectionLimits {
  std::size_t header_bytes = 64 << 10, header_lines = 100;  ///< of one request
  std::size_t body_bytes = 8 << 20;
  std::chrono::milliseconds idle{20000};     ///< between two requests
  std::chrono::milliseconds headers{10000};  ///< from the first byte of a request to the end of its headers
  std::chrono::milliseconds body{30000};     ///< for its body
  std::chrono::milliseconds write{30000};    ///< for the client to take anything at all of what is written
};

/// A blocking stream over a socket, which it does not own. What breaks a bound is answered with one line and an error
/// status, and reading fails from then on.
class Connection : public httplib::Stream {
 public:
  Connection(socket_t socket, const ConnectionLimits& limits) : socket_(socket), limits_(limits) {}

  /// Waits for the first byte of a request. False: none came in time, the client closed, or `stopping`.
  [[nodiscard]] bool wait_for_request(const std::atomic<bool>& stopping);
  /// The client closed its side, or the connection broke.
  [[nodiscard]] bool gone() const;
  /// A bound was broken; nothing more can be said on this connection.
  [[nodiscard]] bool broken() const { return broken_; }

  /// That of the calling thread's request: handlers are called by the thread that serves the connection.
  [[nodiscard]] static const Connection* current() { return current_; }
  class Current {
   public:
    explicit Current(const Connection& connection) { current_ = &connection; }
    ~Current() { current_ = nullptr; }
  };

  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override;
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  bool fill();
  std::size_t allowed(std::size_t size);
  ssize_t refuse(const char* status, const std::string& message);

  static thread_local const Connection* current_;
  socket_t socket_;
  const ConnectionLimits& limits_;
  std::string buffer_;
  std::size_t taken_ = 0;  // of the buffer
  std::size_t header_bytes_ = 0, header_lines_ = 0, body_bytes_ = 0;
  bool in_headers_ = true, line_empty_ = true, broken_ = false;
  Clock::time_point deadline_;
};

}  // namespace lieq::serve
