#include "lieq/hub/client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "lieq/base/message.h"

namespace lieq::hub {
namespace {

constexpr std::uint64_t kLongestWait = 120;
constexpr int kTries = 5;

/// "W/\"abc\"" or "\"abc\"" to "abc".
std::string plain_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

Result<std::uint64_t> size_of(const Answer& answer, const std::string& place) {
  const std::string linked = answer.header("x-linked-size");
  // The length of a redirect's own body says nothing about the file.
  const std::string text = !linked.empty() ? linked : answer.status == 200 ? answer.header("content-length") : "";
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: the server's answer: found size {}, expected X-Linked-Size or Content-Length", place,
                            in_quotes(text)));
  return size;
}

/// What a server says about a refusal, in one short line; empty if nothing.
std::string server_words(const Answer& answer) {
  std::string words = answer.header("x-error-message");
  if (words.empty() && answer.body.starts_with('{')) {
    const auto json = parse_json(answer.body, "");
    const auto error = json ? Fields(*json, "").string("error") : Result<std::optional<std::string>>();
    if (error && *error) words = **error;
  }
  return words.empty() ? "" : fmt::format(" ({})", printable(words, 200));
}

std::string web_page(const Environment& environment, const Repository& repository) {
  return environment.endpoint + (repository.kind == Kind::kDataset ? "/datasets/" : "/") + repository.id;
}

}  // namespace

bool Patience::once_more(const Answer& answer, bool progressed) {
  constexpr std::array kPassing = {408L, 429L, 500L, 502L, 503L, 504L};
  const bool cut = !answer.failure.empty();
  if (answer.hopeless || (!cut && std::ranges::find(kPassing, answer.status) == kPassing.end())) return false;
  failed_ = progressed ? 0 : failed_ + 1;
  if (failed_ >= tries_ || answer.retry_after > kLongestWait) return false;
  const int doublings = std::clamp(failed_ - 1, 0, 3);
  const auto wait =
      std::chrono::milliseconds(answer.retry_after > 0 ? 1000 * answer.retry_after : std::uint64_t{500} << doublings);
  if (answer.retry_after > 0 || failed_ > 1)
    sink_.warn(fmt::format("{}: {}; trying again in {:.1f} s", what_,
                           cut ? answer.failure : fmt::format("status {}", answer.status),
                           std::chrono::duration<double>(wait).count()));
  std::this_thread::sleep_for(wait);
  return true;
}

Answer Client::ask(const Request& request, const std::string& what, int tries) {
  Patience patience(sink_, what, tries);
  while (true) {
    Answer answer = http_.perform(request);
    if (answer.good() || !patience.once_more(answer, false)) return answer;
  }
}

std::string Client::file_url(const Repository& repository, const std::string& commit, const std::string& file) const {
  return fmt::format("{}/resolve/{}/{}", web_page(environment_, repository), percent_encoded(commit, false),
                     percent_encoded(file, true));
}

Result<Listing> Client::list(const Repository& repository, int tries) {
  const std::string url = fmt::format("{}/api/{}/{}/revision/{}", environment_.endpoint,
                                      repository.kind == Kind::kModel ? "models" : "datasets", repository.id,
                                      percent_encoded(repository.revision, false));
  const Answer answer = ask({.url = url, .timeout = environment_.etag_timeout}, repository.id, tries);
  if (!answer.good()) return explain(answer, repository, "");
  const std::string place = repository.id + ": the hub's list of files";
  LIEQ_ASSIGN(const Json json, parse_json(answer.body, place));
  const Fields fields(json, place);
  LIEQ_ASSIGN(const auto commit, fields.string("sha"));
  if (!commit || !is_commit(*commit))
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field 'sha': found {}, expected a commit", place,
                                                       commit ? in_quotes(*commit) : "nothing"));
  const Json* siblings = fields.find("siblings");
  if (!siblings || !siblings->is_array())
    return fail(ErrorCode::kInvalidFormat, place + ": field 'siblings': expected a list");
  Listing listing{*commit, {}};
  for (const Json& sibling : *siblings) {
    LIEQ_ASSIGN(const auto name, Fields(sibling, place).string("rfilename"));
    if (!name || !is_safe_path(*name))
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: field 'rfilename': found {}, expected a relative path that stays in the folder",
                              place, name ? in_quotes(*name) : "nothing"));
    listing.files.push_back(*name);
  }
  return listing;
}

Result<RemoteFile> Client::describe(const Repository& repository, const std::string& commit, const std::string& file) {
  const std::string place = repository.id + "/" + printable(file);
  const Answer answer = ask(
      {.url = file_url(repository, commit, file), .head = true, .timeout = environment_.etag_timeout}, place, kTries);
  const bool redirect = answer.status >= 300 && answer.status < 400;
  if (!answer.failure.empty() || (!answer.good() && !redirect)) return explain(answer, repository, file);
  const std::string linked = answer.header("x-linked-etag");
  RemoteFile remote{file, plain_etag(linked.empty() ? answer.header("etag") : linked), 0};
  if (!is_blob_name(remote.etag))
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: the hub's answer: found ETag {}, expected a checksum", place, in_quotes(remote.etag)));
  LIEQ_ASSIGN(remote.size, size_of(answer, place));
  return remote;
}

Answer Client::download(const Repository& repository, const std::string& commit, const std::string& file,
                        std::uint64_t from, const Receiver& receiver) {
  return http_.perform(
      {.url = file_url(repository, commit, file), .from = from, .timeout = environment_.download_timeout}, &receiver);
}

Result<Json> Client::json(const std::string& url, const std::string& place) {
  const Answer answer = ask({.url = url, .timeout = environment_.download_timeout}, place, kTries);
  if (answer.good()) return parse_json(answer.body, place);
  if (!answer.failure.empty()) return fail(ErrorCode::kIo, place + ": " + answer.failure);
  return fail(ErrorCode::kIo, fmt::format("{}: the server answered {}{}", place, answer.status, server_words(answer)));
}

Unexpected Client::explain(const Answer& answer, const Repository& repository, const std::string& file) const {
  const std::string place = file.empty() ? repository.id : fmt::format("{}/{}", repository.id, printable(file));
  const std::string page = web_page(environment_, repository);
  const std::string code = answer.header("x-error-code");
  if (!answer.failure.empty())
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot be fetched from {}: {}", place, environment_.endpoint, answer.failure));
  if (answer.status == 429)
    return fail(ErrorCode::kIo,
                fmt::format("{}: the hub answered 429, too many requests: try again {}", place,
                            answer.retry_after > 0 ? fmt::format("in {} s", answer.retry_after) : "later") +
                    (environment_.token.empty() ? ", or set HF_TOKEN for a higher limit" : ""));
  if (code == "GatedRepo") {
    if (environment_.token.empty())
      return fail(ErrorCode::kIo,
                  fmt::format("{}: gated: accept its licence at {} and set HF_TOKEN to an access token of that account",
                              place, page));
    return fail(ErrorCode::kIo,
                fmt::format("{}: gated, and the account of the token in {} has no access: accept the licence at {}{}",
                            place, environment_.token_source, page, server_words(answer)));
  }
  if (answer.status == 403)
    return fail(ErrorCode::kIo,
                fmt::format("{}: the hub answered 403{}: if it is gated, accept its licence at {} and set HF_TOKEN",
                            place, server_words(answer), page));
  if (code == "RevisionNotFound")
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: no revision {}, expected a branch, tag or commit (see {}/tree/main)", place,
                            in_quotes(repository.revision), page));
  if (answer.status == 401 && !environment_.token.empty() && code != "RepoNotFound")
    return fail(ErrorCode::kIo, fmt::format("{}: the hub answered 401: the token in {} is not valid{}", place,
                                            environment_.token_source, server_words(answer)));
  if (answer.status == 401 || (answer.status == 404 && file.empty()))
    return fail(
        ErrorCode::kNotFound,
        fmt::format("{}: no such repository at {} (status {}): check the spelling{}", place, environment_.endpoint,
                    answer.status, environment_.token.empty() ? ", or set HF_TOKEN if it is private" : ""));
  if (answer.status == 404)
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: no such file in revision {} (status 404)", place, in_quotes(repository.revision)));
  return fail(ErrorCode::kIo, fmt::format("{}: the hub answered {}{}", place, answer.status, server_words(answer)));
}

}  // namespace lieq::hub
