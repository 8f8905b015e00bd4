#pragma once
/// Requests over HTTP(S), by libcurl: certificates are verified, and the access token goes to one server only.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lieq/base/result.h"
#include "lieq/hub/environment.h"

namespace lieq::hub {

struct Request {
  std::string url;
  bool head = false;         ///< headers only; a redirect that carries the headers of a file is an answer
  std::uint64_t from = 0;    ///< first byte wanted (Range)
  std::size_t timeout = 10;  ///< seconds to connect, and seconds without a byte
};

/// What came back.
struct Answer {
  long status = 0;                             ///< of the last hop; 0: none came
  std::map<std::string, std::string> headers;  ///< names in lower case; "x-..." also from the hub's redirects
  std::string body;                            ///< of an answer that no receiver took, its first 64 MiB at most
  std::string failure;                         ///< why the transfer broke off; empty: it is whole
  bool hopeless = false;          ///< the failure would come again (a bad certificate, a refusing receiver)
  std::optional<Error> refused;   ///< the receiver's error
  std::uint64_t retry_after = 0;  ///< seconds the server asks to wait (Retry-After)

  [[nodiscard]] bool good() const { return failure.empty() && (status == 200 || status == 206); }
  /// Empty when absent.
  [[nodiscard]] std::string header(const std::string& name) const;
};

/// Takes the body of a 200 or 206 answer. An error ends the transfer and comes back in Answer::refused.
struct Receiver {
  std::function<Result<void>(const Answer&)> begin;  ///< before the first byte, with status and headers
  std::function<Result<void>(std::string_view)> take;
};

/// One connection cache. Not for several threads at once.
class Http {
 public:
  explicit Http(const Environment& environment);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// One try. Follows up to ten redirects, from https only to https; the token is sent only where scheme, host and port
  /// are the endpoint's.
  [[nodiscard]] Answer perform(const Request& request, const Receiver* receiver = nullptr);

 private:
  struct Hop;
  void run_hop(const Request& request, const std::string& url, Hop& hop);

  struct Handle;
  std::unique_ptr<Handle> handle_;
  std::string token_, trusted_origin_, ca_file_;
};

}  // namespace lieq::hub
