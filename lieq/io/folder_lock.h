#pragma once
/// One run at a time in a folder.

#include <filesystem>
#include <string>

#include "lieq/base/result.h"

namespace lieq::io {

/// A lock on a folder that is there, held until this is gone; the system takes it back from a process that was killed.
/// It is a file kName in the folder, which holds the number of the process and is removed in the end.
class FolderLock {
 public:
  static constexpr const char* kName = ".lieq-lock";

  /// Errors: kIo "PLACE: another run (process N) works here" while anybody holds it, this process included; kIo when
  /// the file cannot be written. On file systems without locks nobody is kept away.
  [[nodiscard]] static Result<FolderLock> take(const std::filesystem::path& folder, const std::string& place);
  /// As take(), making the folder; it is removed with the lock if nothing else came into it.
  [[nodiscard]] static Result<FolderLock> take_new(const std::filesystem::path& folder, const std::string& place);
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  FolderLock(std::filesystem::path file, int fd) : file_(std::move(file)), fd_(fd) {}
  std::filesystem::path file_;
  int fd_ = -1;
  bool removes_folder_ = false;
};

}  // namespace lieq::io
