#include "lieq/hub/repository.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/base/message.h"

namespace lieq::hub {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// The hub's rule for ORG and NAME.
bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 96 || text.front() == '-' || text.front() == '.' || text.back() == '-' ||
      text.back() == '.')
    return false;
  if (text.find("--") != std::string_view::npos || text.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_file_name(std::string_view text) {
  for (const std::string_view ending : {".gguf", ".safetensors", ".json", ".jsonl", ".txt"})
    if (text.ends_with(ending)) return true;
  return false;
}

}  // namespace

std::optional<Repository> parse_repository(std::string_view text) {
  Repository repository;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    repository.pick = text.substr(colon + 1);
    if (!is_safe_path(repository.pick)) return std::nullopt;
    text = text.substr(0, colon);
  }
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    repository.revision = text.substr(at + 1);
    if (!is_safe_path(repository.revision)) return std::nullopt;
    text = text.substr(0, at);
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_name(text.substr(0, slash)) || !is_name(text.substr(slash + 1)))
    return std::nullopt;
  if (is_file_name(text)) return std::nullopt;
  repository.id = text;
  return repository;
}

Result<Repository> require_repository(const std::string& text) {
  if (auto repository = parse_repository(text)) return std::move(*repository);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: not a repository's name, expected ORG/NAME, ORG/NAME@REVISION or ORG/NAME:QUANT",
                          in_quotes(text)));
}

std::string cache_name(const Repository& repository) {
  std::string name = repository.kind == Kind::kModel ? "models--" : "datasets--";
  for (const char c : repository.id) {
    if (c == '/') {
      name += "--";
    } else {
      name += c;
    }
  }
  return name;
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > 1024) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return std::ranges::none_of(path, [](unsigned char c) { return c < ' ' || c == 0x7f || c == '\\'; });
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_blob_name(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

std::string percent_encoded(std::string_view path, bool keep_slash) {
  std::string encoded;
  for (const char c : path) {
    if (is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace lieq::hub
