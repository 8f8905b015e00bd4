#include "lieq/hub/environment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <initializer_list>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/io/atomic_file.h"

namespace lieq::hub {
namespace {

struct Found {
  std::string name, value;
};

std::optional<Found> first_of(const Lookup& lookup, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = lookup(name); value && *value) return Found{name, value};
  return std::nullopt;
}

bool is_true(const Lookup& lookup, std::initializer_list<const char*> names) {
  const auto found = first_of(lookup, names);
  if (!found) return false;
  std::string value = found->value;
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  constexpr std::array kTrue = {"1", "ON", "YES", "TRUE"};
  return std::ranges::find(kTrue, value) != kTrue.end();
}

Result<std::filesystem::path> home(const Lookup& lookup) {
  if (const auto found = first_of(lookup, {"HOME"})) return std::filesystem::path(found->value);
  return fail(ErrorCode::kInvalidArgument, "HOME: not set, expected a folder (or set HF_HOME and XDG_CACHE_HOME)");
}

/// A path in which "~/" stands for the home folder.
Result<std::filesystem::path> expanded(const std::string& path, const Lookup& lookup) {
  if (path != "~" && !path.starts_with("~/")) return std::filesystem::path(path);
  LIEQ_ASSIGN(const std::filesystem::path folder, home(lookup));
  return path == "~" ? folder : folder / path.substr(2);
}

Result<std::filesystem::path> cache_home(const Lookup& lookup) {
  if (const auto found = first_of(lookup, {"XDG_CACHE_HOME"})) return expanded(found->value, lookup);
  LIEQ_ASSIGN(const std::filesystem::path folder, home(lookup));
  return folder / ".cache";
}

Result<std::size_t> seconds(const Lookup& lookup, const char* name, std::size_t otherwise) {
  const auto found = first_of(lookup, {name});
  if (!found) return otherwise;
  std::size_t value = 0;
  const char* end = found->value.data() + found->value.size();
  const auto [stop, error] = std::from_chars(found->value.data(), end, value);
  if (error != std::errc() || stop != end || value > 86400)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: found {}, expected a number of seconds", name, in_quotes(found->value)));
  return value == 0 ? otherwise : value;
}

Result<std::string> url(const Lookup& lookup, const char* name, const char* otherwise) {
  const auto found = first_of(lookup, {name});
  std::string value = found ? found->value : otherwise;
  while (value.ends_with('/')) value.pop_back();
  const bool good = (value.starts_with("https://") || value.starts_with("http://")) &&
                    std::ranges::all_of(value, [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!good || value.find('@') != std::string::npos)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected a URL such as {}, without a user or password", name, otherwise));
  return value;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<void> read_token(const Lookup& lookup, const std::filesystem::path& hf_home, Environment& environment) {
  if (is_true(lookup, {"HF_HUB_DISABLE_IMPLICIT_TOKEN"})) return {};
  if (const auto found = first_of(lookup, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})) {
    environment.token = trimmed(found->value);
    environment.token_source = found->name;
  } else {
    std::filesystem::path file = hf_home / "token";
    if (const auto path = first_of(lookup, {"HF_TOKEN_PATH"})) {
      LIEQ_ASSIGN(file, expanded(path->value, lookup));
    }
    const auto contents = io::read_file(file);
    if (!contents) return {};  // not logged in
    environment.token = trimmed(*contents);
    environment.token_source = file.string();
  }
  // A line end in it would smuggle a header into requests. The token itself is never printed.
  if (!std::ranges::all_of(environment.token, [](unsigned char c) { return c > ' ' && c < 0x7f; }))
    return fail(ErrorCode::kInvalidArgument,
                environment.token_source + ": holds blanks or control characters, expected one access token");
  return {};
}

Result<std::filesystem::path> lieq_cache(const Lookup& lookup) {
  LIEQ_ASSIGN(const std::filesystem::path folder, cache_home(lookup));
  return folder / "lieq";
}

const char* process_variable(const char* name) { return std::getenv(name); }

}  // namespace

Result<std::filesystem::path> cache_folder() { return lieq_cache(process_variable); }

Result<std::filesystem::path> data_folder(const Lookup& lookup) {
  LIEQ_ASSIGN(const std::filesystem::path folder, lieq_cache(lookup));
  return folder / "data";
}

Result<std::filesystem::path> data_folder() { return data_folder(process_variable); }

Result<Environment> read_environment(const Lookup& lookup) {
  Environment environment;
  std::filesystem::path hf_home;
  if (const auto found = first_of(lookup, {"HF_HOME"})) {
    LIEQ_ASSIGN(hf_home, expanded(found->value, lookup));
  } else {
    LIEQ_ASSIGN(hf_home, cache_home(lookup));
    hf_home /= "huggingface";
  }
  environment.cache = hf_home / "hub";
  if (const auto found = first_of(lookup, {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})) {
    LIEQ_ASSIGN(environment.cache, expanded(found->value, lookup));
  }
  LIEQ_ASSIGN(environment.data, data_folder(lookup));
  LIEQ_ASSIGN(environment.endpoint, url(lookup, "HF_ENDPOINT", "https://huggingface.co"));
  LIEQ_ASSIGN(environment.rows_server, url(lookup, "LIEQ_DATASETS_SERVER", "https://datasets-server.huggingface.co"));
  LIEQ_TRY(read_token(lookup, hf_home, environment));
  if (const auto found = first_of(lookup, {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}))
    environment.ca_file = found->value;
  environment.offline = is_true(lookup, {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"});
  environment.progress = !is_true(lookup, {"HF_HUB_DISABLE_PROGRESS_BARS"});
  LIEQ_ASSIGN(environment.download_timeout, seconds(lookup, "HF_HUB_DOWNLOAD_TIMEOUT", 10));
  LIEQ_ASSIGN(environment.etag_timeout, seconds(lookup, "HF_HUB_ETAG_TIMEOUT", 10));
  return environment;
}

Result<Environment> read_environment() { return read_environment(process_variable); }

}  // namespace lieq::hub
