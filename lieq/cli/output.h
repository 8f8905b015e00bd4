#pragma once
/// What verbs print.

#include <string_view>

namespace lieq::cli {

/// Writes a whole section to standard output at once, also into a file or a pipe, so that who looks into a log sees what
/// there is so far.
void show(std::string_view section);

}  // namespace lieq::cli
