#include "lieq/serve/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "lieq/serve/api_error.h"

namespace lieq::serve {
namespace {

/// The events that came within `wait`, 0 when none did.
short poll_one(socket_t socket, short events, std::chrono::milliseconds wait) {
  pollfd one{socket, events, 0};
  const int timeout = static_cast<int>(std::max<std::chrono::milliseconds::rep>(0, wait.count()));
  int got = 0;
  do {
    got = ::poll(&one, 1, timeout);
  } while (got < 0 && errno == EINTR);
  return got > 0 ? one.revents : static_cast<short>(0);
}

void address_of(socket_t socket, bool remote, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if ((remote ? ::getpeername : ::getsockname)(socket, generic, &length) != 0) return;
  std::array<char, NI_MAXHOST> host{};
  if (::getnameinfo(generic, length, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) == 0) ip = host.data();
  if (address.ss_family == AF_INET) port = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6) port = ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
}

}  // namespace

thread_local const Connection* Connection::current_ = nullptr;

bool Connection::wait_for_request(const std::atomic<bool>& stopping) {
  header_bytes_ = header_lines_ = body_bytes_ = 0;
  in_headers_ = line_empty_ = true;
  const auto end = Clock::now() + limits_.idle;
  while (taken_ == buffer_.size()) {
    if (stopping || broken_ || Clock::now() >= end) return false;
    const short events = poll_one(socket_, POLLIN, std::chrono::milliseconds(100));
    if (events == 0) continue;
    deadline_ = Clock::now() + limits_.headers;
    if (!fill()) return false;
  }
  deadline_ = Clock::now() + limits_.headers;
  return true;
}

bool Connection::gone() const {
  const short events = poll_one(socket_, POLLRDHUP, std::chrono::milliseconds(0));
  return (events & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

bool Connection::is_readable() const {
  return taken_ < buffer_.size() || poll_one(socket_, POLLIN, std::chrono::milliseconds(0)) != 0;
}

bool Connection::is_writable() const {
  return !broken_ && (poll_one(socket_, POLLOUT, limits_.write) & POLLOUT) != 0 && !gone();
}

/// Reads what there is into the buffer, waiting for it until the deadline. False: nothing came.
bool Connection::fill() {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
  if (left.count() <= 0 || poll_one(socket_, POLLIN, left) == 0) {
    if (Clock::now() >= deadline_) refuse("408 Request Timeout", "the request took too long to arrive");
    return false;
  }
  constexpr std::size_t kChunk = 64 << 10;
  buffer_.resize(kChunk);
  taken_ = 0;
  ssize_t got = 0;
  do {
    got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return got > 0;
}

/// How much of the buffer's next `size` bytes may be read now: up to the end of the headers, then up to the bound of
/// the body. 0: a bound is broken.
std::size_t Connection::allowed(std::size_t size) {
  std::size_t count = 0;
  while (in_headers_ && count < size) {
    const char c = buffer_[taken_ + count++];
    if (++header_bytes_ > limits_.header_bytes) return 0;
    if (c != '\n') {
      line_empty_ = line_empty_ && c == '\r';
      continue;
    }
    if (++header_lines_ > limits_.header_lines) return 0;
    if (line_empty_ && header_lines_ > 1) {
      in_headers_ = false;
      deadline_ = Clock::now() + limits_.body;
    }
    line_empty_ = true;
  }
  if (count > 0) return count;
  body_bytes_ += size;
  return body_bytes_ > limits_.body_bytes + limits_.header_bytes ? 0 : size;
}

ssize_t Connection::read(char* data, std::size_t size) {
  if (broken_ || size == 0) return broken_ ? -1 : 0;
  if (taken_ == buffer_.size() && !fill()) return -1;
  const bool headers = in_headers_;
  const std::size_t count = allowed(std::min(size, buffer_.size() - taken_));
  if (count == 0)
    return headers
               ? refuse("431 Request Header Fields Too Large", "the request has too many or too long headers")
               : refuse("413 Payload Too Large", fmt::format("the body has more than {} bytes", limits_.body_bytes));
  std::copy_n(buffer_.data() + taken_, count, data);
  taken_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* data, std::size_t size) {
  if (broken_) return -1;
  std::size_t done = 0;
  while (done < size) {
    if ((poll_one(socket_, POLLOUT, limits_.write) & POLLOUT) == 0) return -1;
    const ssize_t sent = ::send(socket_, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EINTR && errno != EAGAIN) return -1;
    if (sent > 0) done += static_cast<std::size_t>(sent);
  }
  return static_cast<ssize_t>(size);
}

ssize_t Connection::refuse(const char* status, const std::string& message) {
  if (broken_) return -1;
  const std::string body =
      ApiError{(status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0'), message}.to_json().dump();
  const std::string answer =
      fmt::format("HTTP/1.1 {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                  status, body.size(), body);
  (void)::send(socket_, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  broken_ = true;
  return -1;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const { address_of(socket_, true, ip, port); }
void Connection::get_local_ip_and_port(std::string& ip, int& port) const { address_of(socket_, false, ip, port); }

}  // namespace lieq::serve
