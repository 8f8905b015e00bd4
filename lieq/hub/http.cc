#include "lieq/hub/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/base/message.h"
#include "lieq/base/version.h"

namespace lieq::hub {
namespace {

constexpr int kMostRedirects = 10;
constexpr std::size_t kLongestText = std::size_t{64} << 20;

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::string part_of(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
  const std::string copy = text;
  curl_free(text);
  return copy;
}

/// "https://host:443", or empty for what is no URL.
std::string origin_of(const std::string& text) {
  const Url url(curl_url(), curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return "";
  return part_of(url, CURLUPART_SCHEME) + "://" + part_of(url, CURLUPART_HOST) + ":" + part_of(url, CURLUPART_PORT);
}

/// Where `location` points from `base`; empty for what is no URL.
std::string resolved(const std::string& base, const std::string& location) {
  const Url url(curl_url(), curl_url_cleanup);
  if (curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return "";
  if (curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) return "";
  char* text = nullptr;
  if (curl_url_get(url.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) return "";
  const std::string copy = text;
  curl_free(text);
  return copy;
}

bool is_hopeless(CURLcode code) {
  constexpr std::array kCodes = {CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_URL_MALFORMAT,
                                 CURLE_UNSUPPORTED_PROTOCOL,     CURLE_OUT_OF_MEMORY,      CURLE_WRITE_ERROR,
                                 CURLE_SSL_CERTPROBLEM};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

}  // namespace

struct Http::Handle {
  CURL* curl = nullptr;
};

/// One request without redirects, as libcurl's callbacks see it.
struct Http::Hop {
  CURL* curl = nullptr;
  const Receiver* receiver = nullptr;
  bool begun = false;
  Answer answer;

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) {
    Hop& hop = *static_cast<Hop*>(self);
    std::string_view line(data, size);
    if (line.starts_with("HTTP/")) hop.answer.headers.clear();  // "100 Continue" or a proxy's answer came before
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || hop.answer.headers.size() > 200) return size;
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::size_t first = line.find_first_not_of(" \t", colon + 1);
    const std::size_t last = line.find_last_not_of(" \t\r\n");
    hop.answer.headers[name] =
        first == std::string_view::npos || last < first ? "" : line.substr(first, last - first + 1);
    return size;
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) {
    Hop& hop = *static_cast<Hop*>(self);
    return hop.take({data, size}) ? size : 0;
  }

  bool take(std::string_view bytes) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    if (!receiver || (answer.status != 200 && answer.status != 206)) {
      if (answer.body.size() + bytes.size() > kLongestText)
        return refuse({ErrorCode::kInvalidFormat, fmt::format("an answer of more than {} bytes", kLongestText)});
      answer.body += bytes;
      return true;
    }
    if (const auto begun_well = begin(); !begun_well) return refuse(begun_well.error());
    const auto taken = receiver->take(bytes);
    return taken ? true : refuse(taken.error());
  }

  Result<void> begin() {
    if (std::exchange(begun, true)) return {};
    return receiver->begin(answer);
  }

  /// An empty body never reaches take().
  void begin_empty() {
    const auto begun_well = begin();
    if (begun_well) return;
    refuse(begun_well.error());
    answer.failure = begun_well.error().message;
  }

  bool refuse(Error error) {
    answer.refused = std::move(error);
    return false;
  }
};

std::string Answer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

Http::Http(const Environment& environment)
    : handle_(std::make_unique<Handle>()),
      token_(environment.token),
      trusted_origin_(origin_of(environment.endpoint)),
      ca_file_(environment.ca_file) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  LIEQ_CHECK(ready == CURLE_OK);
  handle_->curl = curl_easy_init();
  LIEQ_CHECK(handle_->curl != nullptr);
}

Http::~Http() { curl_easy_cleanup(handle_->curl); }

void Http::run_hop(const Request& request, const std::string& url, Hop& hop) {
  CURL* curl = hop.curl = handle_->curl;
  curl_easy_reset(curl);  // keeps the connections
  std::array<char, CURL_ERROR_SIZE> reason{};
  using List = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;
  List lines(curl_slist_append(nullptr, "Accept-Encoding: identity"), curl_slist_free_all);
  if (!token_.empty() && origin_of(url) == trusted_origin_)
    curl_slist_append(lines.get(), ("Authorization: Bearer " + token_).c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, (std::string("lieq/") + kVersion).c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines.get());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, narrow<long>(request.timeout));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, narrow<long>(request.timeout));
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Hop::on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &hop);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Hop::on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &hop);
  if (request.head) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  const std::string range = fmt::format("{}-", request.from);
  if (request.from > 0) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
  if (!ca_file_.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file_.c_str());

  const CURLcode code = curl_easy_perform(curl);
  Answer& answer = hop.answer;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  curl_off_t wait = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
  answer.retry_after = static_cast<std::uint64_t>(std::max<curl_off_t>(wait, 0));
  if (code == CURLE_OPERATION_TIMEDOUT) {
    answer.failure = fmt::format("nothing came for {} s", request.timeout);
  } else if (code != CURLE_OK) {
    answer.failure =
        answer.refused ? answer.refused->message : printable(reason[0] ? reason.data() : curl_easy_strerror(code), 200);
  }
  answer.hopeless = is_hopeless(code);
}

Answer Http::perform(const Request& request, const Receiver* receiver) {
  std::string url = request.url;
  std::map<std::string, std::string> kept;
  for (int hops = 0; hops <= kMostRedirects; ++hops) {
    Hop hop;
    hop.receiver = receiver;
    run_hop(request, url, hop);
    Answer& answer = hop.answer;
    const std::string origin = origin_of(url);
    if (origin == trusted_origin_)
      for (const auto& [name, value] : answer.headers)
        if (name.starts_with("x-")) kept.try_emplace(name, value);
    const bool redirect = answer.status >= 300 && answer.status < 400 && !answer.header("location").empty();
    const std::string target = redirect ? resolved(url, answer.header("location")) : "";
    // What describes a stored file stands in the redirect itself; the store behind it has headers of its own.
    const bool described = request.head && origin_of(target) != origin && kept.contains("x-linked-etag");
    if (!answer.failure.empty() || !redirect || described) {
      if (receiver && answer.good()) hop.begin_empty();
      for (auto& [name, value] : kept) answer.headers.try_emplace(name, value);
      return std::move(answer);
    }
    if (target.empty() || (url.starts_with("https:") && !target.starts_with("https:"))) {
      answer.failure =
          "redirected to " + in_quotes(target.empty() ? "" : origin_of(target)) + ", expected an https URL";
      answer.hopeless = true;
      return std::move(answer);
    }
    url = target;
  }
  Answer lost;
  lost.failure = fmt::format("more than {} redirects", kMostRedirects);
  lost.hopeless = true;
  return lost;
}

}  // namespace lieq::hub
