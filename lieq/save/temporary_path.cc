#include "lieq/save/temporary_path.h"

#include <system_error>

#include "lieq/io/leftovers.h"

namespace lieq::save {

namespace fs = std::filesystem;

TemporaryPath::TemporaryPath(const std::filesystem::path& target) : target_(target), path_(io::temporary_name(target)) {
  io::remove_leftovers(target_);
  // One of this very number is of a process of another time or machine.
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

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

void TemporaryPath::rename_in(std::string& message) const {
  const std::size_t at = message.find(path_.string());
  if (at != std::string::npos) message.replace(at, path_.string().size(), target_.string());
}

Result<void> TemporaryPath::rename() {
  std::error_code error;
  std::filesystem::rename(path_, target_, error);
  if (error) return fail(ErrorCode::kIo, target_.string() + ": cannot be written: " + error.message());
  path_.clear();
  return {};
}

}  // namespace lieq::save
