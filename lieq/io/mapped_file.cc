#include "lieq/io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

namespace lieq::io {

struct MappedFile::Mapping {
  std::string name;
  void* address = nullptr;
  std::size_t size = 0;

  Mapping(std::string file, void* start, std::size_t bytes) : name(std::move(file)), address(start), size(bytes) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(address, size); }
};

namespace {

Unexpected unmapped(const std::string& name, const char* what, int error) {
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  return fail(code, name + ": " + what + ": " + std::generic_category().message(error));
}

/// A clone of a model repository without Git LFS holds small text files in place of the large ones.
bool is_lfs_pointer(std::span<const std::byte> bytes) {
  constexpr std::string_view kHead = "version https://git-lfs.github.com/spec/";
  return bytes.size() >= kHead.size() && std::memcmp(bytes.data(), kHead.data(), kHead.size()) == 0;
}

/// Closes a descriptor on every way out of a function.
struct Descriptor {
  int fd;
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(std::shared_ptr<const Mapping> mapping) : mapping_(std::move(mapping)) {}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  std::string name = path.string();
  // O_NONBLOCK: opening a pipe must not wait for its writer, it is refused below.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) return unmapped(name, "cannot be opened", errno);
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) return unmapped(name, "cannot be read", errno);
  if (S_ISDIR(status.st_mode)) return fail(ErrorCode::kIo, name + ": found a folder, expected a file");
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::kIo, name + ": found a device or pipe, expected a file");
  if (status.st_size <= 0) return fail(ErrorCode::kInvalidFormat, name + ": the file is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) return unmapped(name, "cannot be mapped", errno);
  MappedFile mapped(std::make_shared<const Mapping>(std::move(name), address, size));
  if (is_lfs_pointer(mapped.bytes()))
    return fail(ErrorCode::kInvalidFormat,
                mapped.name() + ": found a Git LFS pointer, expected the file it stands for (run: git lfs pull)");
  return mapped;
}

std::span<const std::byte> MappedFile::bytes() const {
  return {static_cast<const std::byte*>(mapping_->address), mapping_->size};
}

void MappedFile::release_pages() const { ::madvise(mapping_->address, mapping_->size, MADV_DONTNEED); }

void release_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

const std::string& MappedFile::name() const { return mapping_->name; }

}  // namespace lieq::io
