#include "lieq/io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

namespace lieq::io {
namespace {

/// A mapping as handlers of signals may look it up. Places are reused, never freed: who reads the list takes no lock.
struct Place {
  std::atomic<std::uintptr_t> begin{0}, end{0};  // 0: nothing is mapped here
  char name[1024] = {};
  Place* next = nullptr;
};

std::atomic<Place*> places{nullptr};
std::mutex places_writer;

void enter(const std::string& name, const void* address, std::size_t size) {
  const std::lock_guard lock(places_writer);
  Place* place = places;
  while (place && place->begin != 0) place = place->next;
  const bool is_new = !place;
  if (is_new) place = new Place;
  name.copy(place->name, std::min(name.size(), sizeof place->name - 1));
  place->name[std::min(name.size(), sizeof place->name - 1)] = '\0';
  place->end = reinterpret_cast<std::uintptr_t>(address) + size;
  place->begin = reinterpret_cast<std::uintptr_t>(address);
  if (is_new) {
    place->next = places;
    places = place;
  }
}

void leave(const void* address) {
  const std::lock_guard lock(places_writer);
  for (Place* place = places; place; place = place->next)
    if (place->begin == reinterpret_cast<std::uintptr_t>(address)) place->begin = 0;
}

}  // namespace

struct MappedFile::Mapping {
  std::string name;
  std::filesystem::path path;  // absolute
  void* address = nullptr;
  std::size_t size = 0;
  struct stat status;  // when it was opened

  Mapping(std::string file, void* start, const struct stat& opened)
      : name(std::move(file)), address(start), size(static_cast<std::size_t>(opened.st_size)), status(opened) {
    std::error_code ignored;
    path = std::filesystem::absolute(name, ignored);
    enter(name, address, size);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    leave(address);
    ::munmap(address, size);
  }
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
  MappedFile mapped(std::make_shared<const Mapping>(std::move(name), address, status));
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

Result<void> MappedFile::unchanged() const {
  const struct stat& before = mapping_->status;
  struct stat now {};
  if (::stat(mapping_->path.c_str(), &now) != 0) return {};
  if (now.st_dev != before.st_dev || now.st_ino != before.st_ino) return {};
  if (now.st_size != before.st_size)
    return fail(ErrorCode::kIo, name() + ": was written to while it was in use: found " + std::to_string(now.st_size) +
                                    " bytes, expected the " + std::to_string(before.st_size) + " it was opened with");
  if (now.st_mtim.tv_sec != before.st_mtim.tv_sec || now.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
    return fail(ErrorCode::kIo, name() +
                                    ": was written to while it was in use: found a new time of change, expected "
                                    "the contents it was opened with");
  return {};
}

const std::string& MappedFile::name() const { return mapping_->name; }

const char* mapped_file_at(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  for (const Place* place = places; place; place = place->next) {
    const std::uintptr_t begin = place->begin;

    if (begin != 0 && wanted >= begin && wanted < place->end) return place->name;
  }
  return nullptr;
}

}  // namespace lieq::io
