#pragma once
/// Which lieq made a file.

namespace lieq {

/// "0.1.0"
extern const char* const kVersion;

}  // namespace lieq
