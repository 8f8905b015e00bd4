#include "lieq/pipeline/sweep_folder.h"

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"

namespace lieq::pipeline {
namespace {

namespace fs = std::filesystem;

/// What a sweep makes, and all that --force removes.
constexpr const char* kOwn[] = {"sweep.json", "scores.json", "original.json", "results.json",
                                "cells",      "work",        "models"};

Result<void> make_folders(const fs::path& path) {
  std::error_code error;
  for (const fs::path& folder : {path / "cells", path / "work"}) {
    fs::create_directories(folder, error);
    if (error) return fail(ErrorCode::kIo, fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  }
  return {};
}

/// Models that a killed run was writing.
void remove_leftovers(const fs::path& work) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(work, ignored))
    if (entry.path().filename().string().find(".tmp-") != std::string::npos) fs::remove_all(entry.path(), ignored);
}

/// Or nothing but what a run left that was killed before it wrote any of it.
Result<void> check_holds_sweep(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(path / "sweep.json", ignored)) return {};
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool is_ours = name == io::FolderLock::kName || name.starts_with("sweep.json.tmp-") ||
                         ((name == "cells" || name == "work") && fs::is_empty(entry.path(), ignored));
    if (!is_ours)
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: exists and holds no sweep, expected a new folder or one of lieq sweep", path.string()));
  }
  return {};
}

}  // namespace

Result<io::FolderLock> SweepFolder::lock(const fs::path& path) {
  LIEQ_TRY(check_holds_sweep(path));
  return io::FolderLock::take_new(path, path.string());
}

Result<SweepFolder> SweepFolder::open(const fs::path& path, const Json& fingerprint, bool force, Ranks& ranks) {
  if (!ranks.is_first()) return SweepFolder(path, ranks);
  const SweepFolder folder(path, Ranks::alone());
  std::error_code ignored;
  LIEQ_ASSIGN(const auto found, folder.find("sweep"));
  const auto difference = found ? difference_of(*found, fingerprint) : std::nullopt;
  if (difference && !force)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: a sweep lies here with {}: go on with its options, name another folder, or start anew "
                            "with --force",
                            path.string(), *difference));
  if (difference)
    for (const char* name : kOwn) fs::remove_all(path / name, ignored);
  LIEQ_TRY(make_folders(path));
  remove_leftovers(folder.work());
  if (!found || difference) LIEQ_TRY(folder.keep("sweep", fingerprint));
  return SweepFolder(path, ranks);
}

fs::path SweepFolder::work() const {
  return ranks_->is_first() ? path_ / "work" : path_ / "work" / fmt::format("rank-{}", ranks_->rank());
}

fs::path SweepFolder::file(const std::string& name) const { return path_ / (name + ".json"); }

Result<std::optional<Json>> SweepFolder::find(const std::string& name) const {
  std::string text;  // empty: there is none
  std::error_code ignored;
  if (ranks_->is_first() && fs::exists(file(name), ignored)) {
    LIEQ_ASSIGN(Json value, read_json(file(name)));
    if (ranks_->size() == 1) return std::optional<Json>(std::move(value));
    text = value.dump();
  }
  broadcast(*ranks_, text);
  if (text.empty()) return std::optional<Json>();
  return std::optional<Json>(Json::parse(text));
}

Result<void> SweepFolder::keep(const std::string& name, const Json& value) const {
  return ranks_->is_first() ? io::write_json(file(name), value) : Result<void>();
}

}  // namespace lieq::pipeline
