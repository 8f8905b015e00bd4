#pragma once

#include <string>
#include <string_view>

namespace lieq::cli {

/// A word of a command line, quoted for the shell where it needs to be.
[[nodiscard]] std::string shell_word(std::string_view word);

}  // namespace lieq::cli
