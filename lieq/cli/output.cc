#include "lieq/cli/output.h"

#include <cstdio>

namespace lieq::cli {

void show(std::string_view section) {
  std::fwrite(section.data(), 1, section.size(), stdout);
  std::fflush(stdout);
}

}  // namespace lieq::cli
