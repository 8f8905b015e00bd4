#pragma once
/// Where a sweep keeps what it has finished, so that the same command goes on from there.

#include <filesystem>
#include <optional>
#include <string>

#include "lieq/base/json.h"
#include "lieq/base/ranks.h"
#include "lieq/base/result.h"
#include "lieq/io/folder_lock.h"

namespace lieq::pipeline {

/// OUTPUT/ with sweep.json (what it is a sweep of), scores.json, original.json, cells/KEY.json for each finished run,
/// work/ for the one that runs now (work/rank-2/ for rank 2), models/ for those that are kept. Every file appears whole
/// or not at all. Of several ranks the first one alone reads and writes the .json files, and tells the others.
class SweepFolder {
 public:
  /// Makes the folder and locks it until this is gone. Errors: kInvalidArgument for a folder that holds something else;
  /// kIo, also while another sweep works there.
  [[nodiscard]] static Result<io::FolderLock> lock(const std::filesystem::path& path);

  /// Goes on in a folder whose fingerprint is the same, or starts a sweep in it. force: another sweep that lies there
  /// is removed. ranks must outlive the result. Errors: kInvalidArgument naming the first field that differs; kIo.
  [[nodiscard]] static Result<SweepFolder> open(const std::filesystem::path& path, const Json& fingerprint, bool force,
                                                Ranks& ranks = Ranks::alone());

  /// What was kept under a name, e.g. "cells/KEY". nullopt: nothing. Errors: kInvalidFormat.
  [[nodiscard]] Result<std::optional<Json>> find(const std::string& name) const;
  [[nodiscard]] Result<void> keep(const std::string& name, const Json& value) const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// This rank's own.
  [[nodiscard]] std::filesystem::path work() const;
  [[nodiscard]] std::filesystem::path models() const { return path_ / "models"; }

 private:
  SweepFolder(std::filesystem::path path, Ranks& ranks) : path_(std::move(path)), ranks_(&ranks) {}
  [[nodiscard]] std::filesystem::path file(const std::string& name) const;
  std::filesystem::path path_;
  Ranks* ranks_;
};

}  // namespace lieq::pipeline
