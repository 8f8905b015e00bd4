#pragma once
/// Questions to the hub: what a repository holds, and what its refusals mean. Failures that may pass are tried again.

#include <cstdint>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/sink.h"
#include "lieq/hub/environment.h"
#include "lieq/hub/http.h"
#include "lieq/hub/repository.h"

namespace lieq::hub {

/// The files of one commit.
struct Listing {
  std::string commit;
  std::vector<std::string> files;  ///< safe relative paths (is_safe_path), in the server's order
};

/// What the hub says about one file.
struct RemoteFile {
  std::string name;
  std::string etag;  ///< a safe file name; SHA-256 or git blob id for everything the real hub stores
  std::uint64_t size = 0;
};

/// Decides whether one more try is worthwhile, and waits before it: 0.5, 1, 2, 4 s, or what Retry-After says (at most
/// 120 s). Network failures, cut transfers and the statuses 408, 429, 500, 502, 503 and 504 are worth it.
class Patience {
 public:
  /// `tries`: how many in a row may bring nothing new.
  Patience(Sink& sink, std::string what, int tries) : sink_(sink), what_(std::move(what)), tries_(tries) {}
  /// `progressed`: the last try brought new bytes.
  [[nodiscard]] bool once_more(const Answer& answer, bool progressed);

 private:
  Sink& sink_;
  std::string what_;
  int tries_, failed_ = 0;
};

class Client {
 public:
  /// Both must outlive this.
  Client(const Environment& environment, Sink& sink) : environment_(environment), sink_(sink), http_(environment) {}

  /// Commit and files of a revision. tries: 1 gives up at once. Costs one request.
  /// Errors: kNotFound (no such repository or revision), kIo (not reachable, gated, refused), kInvalidFormat (an
  /// answer that is not the hub's, file names that leave the folder).
  [[nodiscard]] Result<Listing> list(const Repository& repository, int tries);

  /// Etag and size of a file at `commit`. Costs one request.
  [[nodiscard]] Result<RemoteFile> describe(const Repository& repository, const std::string& commit,
                                            const std::string& file);

  /// One try to get the bytes of a file from `from` on.
  [[nodiscard]] Answer download(const Repository& repository, const std::string& commit, const std::string& file,
                                std::uint64_t from, const Receiver& receiver);

  /// JSON of any server. `place` opens error messages.
  [[nodiscard]] Result<Json> json(const std::string& url, const std::string& place);

  /// Turns a refusal by the hub into an error that says what to do. `file`: empty for the repository as a whole.
  [[nodiscard]] Unexpected explain(const Answer& answer, const Repository& repository, const std::string& file) const;

  [[nodiscard]] const Environment& environment() const { return environment_; }
  [[nodiscard]] Sink& sink() { return sink_; }

 private:
  [[nodiscard]] Answer ask(const Request& request, const std::string& what, int tries);
  [[nodiscard]] std::string file_url(const Repository& repository, const std::string& commit,
                                     const std::string& file) const;

  const Environment& environment_;
  Sink& sink_;
  Http http_;
};

}  // namespace lieq::hub
