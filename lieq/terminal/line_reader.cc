#include "lieq/terminal/line_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "lieq/terminal/interrupts.h"

namespace lieq::terminal {

LineReader::Line LineReader::read_one() {
  while (true) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos || (ended_ && !buffer_.empty())) {
      Line line{End::kLine, buffer_.substr(0, end)};
      buffer_.erase(0, end == std::string::npos ? buffer_.size() : end + 1);
      if (line.text.ends_with('\r')) line.text.pop_back();
      return line;
    }
    if (ended_) return {End::kEndOfInput, {}};
    std::array<char, 4096> block{};
    if (!Interrupts::wait_for_input(STDIN_FILENO)) {
      buffer_.clear();
      return {End::kInterrupted, {}};
    }
    const ssize_t count = ::read(STDIN_FILENO, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      ended_ = true;
    else
      buffer_.append(block.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace lieq::terminal
