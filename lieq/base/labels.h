#pragma once
/// What people are shown for paths, numbers of bytes and times.

#include <cstddef>
#include <string>

namespace lieq {

/// The last part of a path, without a trailing slash: what tables call a model.
[[nodiscard]] std::string model_label(const std::string& path);

/// What tables call a model whose scales were trained (--refine), so that its rows are told from the paper's: "LABEL
/// (refined)".
[[nodiscard]] std::string refined_label(const std::string& label);

/// "269.1 MB" (powers of ten, as file managers and hubs show them)
[[nodiscard]] std::string bytes_text(std::size_t bytes);

/// "75 s", "2.5 min", "12 min", "3.2 h"
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace lieq
