#include "lieq/save/temporary_path.h"

#include <unistd.h>

#include <system_error>

namespace lieq::save {

TemporaryPath::TemporaryPath(const std::filesystem::path& target)
    : target_(target), path_(target.string() + ".tmp-" + std::to_string(::getpid())) {}

TemporaryPath::~TemporaryPath() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<void> TemporaryPath::make_folder() const {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) return fail(ErrorCode::kIo, target_.string() + ": cannot be made: " + error.message());
  return {};
}

Result<void> TemporaryPath::rename() {
  std::error_code error;
  std::filesystem::rename(path_, target_, error);
  if (error) return fail(ErrorCode::kIo, target_.string() + ": cannot be written: " + error.message());
  path_.clear();
  return {};
}

}  // namespace lieq::save
