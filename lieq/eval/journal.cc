#include "lieq/eval/journal.h"

#include <fmt/format.h>

#include <utility>

namespace lieq::eval {
namespace {

constexpr const char* kFingerprint = "fingerprint";

/// The whole lines of a journal with this fingerprint; none for any other file.
std::map<std::size_t, Json> read_parts(const std::filesystem::path& path, const std::string& fingerprint) {
  std::map<std::size_t, Json> parts;
  std::ifstream file(path);
  std::string line;
  for (bool head = true; std::getline(file, line) && !file.eof(); head = false) {  // eof: no line end, cut off
    const auto json = parse_json(line, path.string());
    if (!json || !json->is_object()) break;
    if (head) {
      if (json->value(kFingerprint, Json()) != Json(fingerprint)) return {};
      continue;
    }
    const auto part = Fields(*json, "").required_count("part");
    if (!part || !json->contains("value")) break;
    parts[*part] = json->at("value");
  }
  return parts;
}

}  // namespace

Result<Journal> Journal::open(const std::filesystem::path& path, const std::string& fingerprint) {
  Journal journal;
  if (path.empty()) return journal;
  journal.path_ = path;
  journal.parts_ = read_parts(path, fingerprint);
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  // Written anew from the lines that were whole: a half line is never appended to.
  journal.file_.open(path, std::ios::trunc);
  journal.file_ << Json{{kFingerprint, fingerprint}}.dump() << '\n';
  for (const auto& [part, value] : journal.parts_)
    journal.file_ << Json{{"part", part}, {"value", value}}.dump() << '\n';
  journal.file_.flush();
  if (!journal.file_) return fail(ErrorCode::kIo, fmt::format("{}: cannot be written", path.string()));
  return journal;
}

const Json* Journal::find(std::size_t part) const {
  const auto found = parts_.find(part);
  return found == parts_.end() ? nullptr : &found->second;
}

Result<void> Journal::append(std::size_t part, Json value) {
  if (path_.empty()) return {};
  file_ << Json{{"part", part}, {"value", value}}.dump() << '\n';
  file_.flush();
  if (!file_) return fail(ErrorCode::kIo, fmt::format("{}: cannot be written", path_.string()));
  parts_[part] = std::move(value);
  return {};
}

void Journal::remove() {
  if (path_.empty()) return;
  file_.close();
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace lieq::eval
