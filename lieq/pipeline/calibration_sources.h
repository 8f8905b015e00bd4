#pragma once
/// Where the windows of a calibration come from, one source at a time.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/eval/bundle.h"
#include "lieq/pipeline/calibrate.h"

namespace lieq::pipeline {

inline constexpr std::string_view kSelf = "self", kBuiltin = "builtin";

/// The texts that an argument names: all of it if that is a file, else what stands between its commas.
/// Errors: kInvalidArgument for an empty name and one that comes twice.
[[nodiscard]] Result<std::vector<std::string>> texts_in(const std::string& argument);

/// Windows that one source is to give, each of `window` tokens.
struct WindowCounts {
  std::size_t window = 0, fitted = 0, held_out = 0, validation = 0;
};

struct SourceWindows {
  std::vector<text::TokenId> fitted, held_out, validation;  ///< whole windows
};

/// Reads, or lets the model write, the windows of one source (calibrate.h says which). Errors: those of calibrate().
[[nodiscard]] Result<SourceWindows> windows_of(const std::string& source, const WindowCounts& counts,
                                               const eval::Bundle& bundle, const CalibrationOptions& options,
                                               Threads& threads, Sink& sink);

}  // namespace lieq::pipeline
