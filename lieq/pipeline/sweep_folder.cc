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

Result<SweepFolder> SweepFolder::open(const fs::path& path, const Json& fingerprint, bool force) {
  const SweepFolder folder(path);
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
  return folder;
}

fs::path SweepFolder::file(const std::string& name) const { return path_ / (name + ".json"); }

Result<std::optional<Json>> SweepFolder::find(const std::string& name) const {
  std::error_code ignored;
  if (!fs::exists(file(name), ignored)) return std::optional<Json>();
  LIEQ_ASSIGN(Json value, read_json(file(name)));
  return std::optional<Json>(std::move(value));
}

Result<void> SweepFolder::keep(const std::string& name, const Json& value) const {
  return io::write_json(file(name), value);
}

}  // namespace lieq::pipeline
