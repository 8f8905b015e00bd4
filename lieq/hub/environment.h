#pragma once
/// Where the hub is and where its files are kept: the environment variables of huggingface_hub, with its defaults.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "lieq/base/result.h"

namespace lieq::hub {

struct Environment {
  std::filesystem::path cache;  ///< HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, or "hub" in HF_HOME (~/.cache/huggingface)
  std::filesystem::path data;   ///< data sets of `lieq pull --data`: lieq/data in XDG_CACHE_HOME (~/.cache)
  std::string endpoint;         ///< HF_ENDPOINT (https://huggingface.co), without a slash at the end
  std::string rows_server;      ///< LIEQ_DATASETS_SERVER (https://datasets-server.huggingface.co)
  std::string token;            ///< HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file HF_TOKEN_PATH; empty: none
  std::string token_source;     ///< which of them, for messages
  std::string ca_file;          ///< SSL_CERT_FILE, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE; empty: the system's
  bool offline = false;         ///< HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE: no network at all
  bool progress = true;         ///< false with HF_HUB_DISABLE_PROGRESS_BARS
  std::size_t download_timeout = 10;  ///< HF_HUB_DOWNLOAD_TIMEOUT: seconds without a byte of a file
  std::size_t etag_timeout = 10;      ///< HF_HUB_ETAG_TIMEOUT: the same for lists and headers
};

/// The value of a variable, nullptr when it is not set.
using Lookup = std::function<const char*(const char* name)>;

/// Reads the variables and the token file. A variable that is set but empty counts as not set.
/// Errors: kInvalidArgument naming the variable (a timeout that is no number, an endpoint that is no URL, a token with
/// blanks or control characters, no home folder).
[[nodiscard]] Result<Environment> read_environment(const Lookup& lookup);

/// The same from the process's own environment.
[[nodiscard]] Result<Environment> read_environment();

/// Where lieq keeps what can be made or fetched again: lieq in XDG_CACHE_HOME (~/.cache). Errors: as data_folder().
[[nodiscard]] Result<std::filesystem::path> cache_folder();

/// Where data sets lie, which needs nothing else of the environment. Errors: kInvalidArgument (no home folder).
[[nodiscard]] Result<std::filesystem::path> data_folder(const Lookup& lookup);
[[nodiscard]] Result<std::filesystem::path> data_folder();

}  // namespace lieq::hub
