#pragma once
/// Where tests and benchmarks find their files, as configured.

#include <filesystem>

namespace lieq::test {

std::filesystem::path shared_dir();  ///< texts and golden results beside the repository; may be absent
std::filesystem::path data_dir();    ///< tests/data
std::filesystem::path demo_dir();    ///< demo/

}  // namespace lieq::test
