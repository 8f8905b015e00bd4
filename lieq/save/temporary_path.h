#pragma once
/// A file or folder under a temporary name beside its final place, which it gets when it is whole.

#include <filesystem>
#include <string>

#include "lieq/base/result.h"

namespace lieq::save {

/// Removes what lies at path() unless it was renamed.
class TemporaryPath {
 public:
  /// `target` with a suffix of this process. Nothing is made yet; what killed processes have left under such names of
  /// the same target is removed.
  explicit TemporaryPath(const std::filesystem::path& target);
  ~TemporaryPath();
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The same result; an error about path() becomes one about the target, the name that people know.
  template <class T>
  [[nodiscard]] Result<T> of_target(Result<T> result) const {
    if (!result) rename_in(result.error().message);
    return result;
  }
  /// Errors: kIo.
  [[nodiscard]] Result<void> make_folder() const;
  /// The last call. Errors: kIo, also when a folder or another kind of file lies at the target.
  [[nodiscard]] Result<void> rename();

 private:
  void rename_in(std::string& message) const;

  std::filesystem::path target_, path_;
};

}  // namespace lieq::save
