#include "lieq/base/labels.h"

#include <array>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

namespace lieq {

std::string model_label(const std::string& path) {
  const std::filesystem::path clean = std::filesystem::path(path).lexically_normal();
  return clean.has_filename() ? clean.filename().string() : clean.parent_path().filename().string();
}

std::string refined_label(const std::string& label) { return label + " (refined)"; }

std::string bytes_text(std::size_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  struct Unit {
    double size;
    const char* format;
  };
  const auto value = static_cast<double>(bytes);
  const Unit unit = value < 1e6 ? Unit{1e3, "%.1f kB"} : value < 1e9 ? Unit{1e6, "%.1f MB"} : Unit{1e9, "%.2f GB"};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), unit.format, value / unit.size);
  return text.data();
}

std::string duration_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 600) return fmt::format("{:.1f} min", seconds / 60);
  if (seconds < 6000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace lieq
