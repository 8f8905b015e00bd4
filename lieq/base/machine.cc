#include "lieq/base/machine.h"

#include <fstream>

#include "lieq/base/threads.h"

namespace lieq {

Machine this_machine() {
  Machine machine{"unknown", physical_cores()};
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t start = line.find_first_not_of(" \t", line.find(':') + 1);
    if (start != std::string::npos) machine.cpu = line.substr(start);
    break;
  }
  return machine;
}

}  // namespace lieq
