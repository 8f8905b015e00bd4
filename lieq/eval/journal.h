#pragma once
/// What a long evaluation has finished, kept in a file, so that the next run goes on from there.

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::eval {

/// One line of JSON for each finished part; a last line that was cut off is ignored. `path` empty: keeps nothing.
class Journal {
 public:
  /// Reads what is there. Another run's `fingerprint`, or a file that is no journal, starts it anew.
  /// Errors: kIo when the file cannot be written.
  [[nodiscard]] static Result<Journal> open(const std::filesystem::path& path, const std::string& fingerprint);

  /// What was noted for `part`, nullptr if nothing.
  [[nodiscard]] const Json* find(std::size_t part) const;
  /// Notes it and hands it to the operating system: killing the process does not lose it. Errors: kIo.
  [[nodiscard]] Result<void> append(std::size_t part, Json value);
  /// The run is complete: removes the file.
  void remove();

 private:
  std::filesystem::path path_;
  std::ofstream file_;
  std::map<std::size_t, Json> parts_;
};

}  // namespace lieq::eval
