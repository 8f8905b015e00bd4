#pragma once
/// Bytes as a file, for readers that take a path.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "lieq/base/check.h"

namespace lieq::fuzz {

/// One file in memory, written anew for each input. Its name has no other files beside it.
class FileOfBytes {
 public:
  FileOfBytes() : fd_(memfd_create("fuzz", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    LIEQ_CHECK(fd_ >= 0);
  }
  ~FileOfBytes() { ::close(fd_); }
  FileOfBytes(const FileOfBytes&) = delete;
  FileOfBytes& operator=(const FileOfBytes&) = delete;

  const std::string& write(std::string_view bytes) {
    LIEQ_CHECK(::ftruncate(fd_, 0) == 0);
    LIEQ_CHECK(::pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return path_;
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

/// One line that opens with `place`, printable, and not as long as the file wants it.
inline void check_line(std::string_view line, std::string_view place) {
  LIEQ_CHECK(line.starts_with(place) && line.size() < 2000);
  for (const char c : line) LIEQ_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

}  // namespace lieq::fuzz
