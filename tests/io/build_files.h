#pragma once
/// Bytes of small safetensors and GGUF files, sound or not, and folders to put them in.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace lieq::io {

/// A fresh folder that disappears with this.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int counter = 0;
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("lieq_io_" + std::to_string(::getpid()) + "_" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view contents) const {
    std::ofstream(path_ / name, std::ios::binary).write(contents.data(), static_cast<std::streamsize>(contents.size()));
    return path_ / name;
  }
  [[nodiscard]] std::size_t count() const {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++n;
    return n;
  }

 private:
  std::filesystem::path path_;
};

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// The bytes of a number as they lie in memory (little-endian).
template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string safetensors(const std::string& header, std::size_t data_bytes) {
  return raw(static_cast<std::uint64_t>(header.size())) + header + std::string(data_bytes, '\1');
}

/// Writes GGUF in the order of its parts; nothing is checked.
class GgufBytes {
 public:
  static std::string string(std::string_view text) { return raw(std::uint64_t{text.size()}) + std::string(text); }

  GgufBytes& key(std::string_view name, std::uint32_t type, const std::string& value) {
    keys_ += string(name) + raw(type) + value;
    ++num_keys_;
    return *this;
  }
  /// `dims` in file order: contiguous first.
  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& dims, std::uint32_t type,
                    std::uint64_t offset) {
    infos_ += string(name) + raw(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t d : dims) infos_ += raw(d);
    infos_ += raw(type) + raw(offset);
    ++num_tensors_;
    return *this;
  }
  [[nodiscard]] std::string bytes(std::size_t data_bytes, std::size_t alignment = 32, std::uint32_t version = 3) const {
    std::string all = "GGUF" + raw(version) + raw(num_tensors_) + raw(num_keys_) + keys_ + infos_;
    all.resize((all.size() + alignment - 1) / alignment * alignment);
    return all + std::string(data_bytes, '\1');
  }

 private:
  std::string keys_, infos_;
  std::uint64_t num_keys_ = 0, num_tensors_ = 0;
};

}  // namespace lieq::io
