#pragma once
/// Files with one JSON value a line.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "lieq/base/json.h"

namespace lieq::test {

inline std::vector<Json> read_lines(const std::filesystem::path& file) {
  std::vector<Json> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
  return lines;
}

}  // namespace lieq::test
