#pragma once
/// Names of repositories and of the files in them. Both come from strangers, so both are proven harmless here.

#include <optional>
#include <string>
#include <string_view>

#include "lieq/base/result.h"

namespace lieq::hub {

enum class Kind { kModel, kDataset };

/// ORG/NAME[@REVISION][:FILE-OR-QUANT]
struct Repository {
  Kind kind = Kind::kModel;
  std::string id;                 ///< "ORG/NAME"
  std::string revision = "main";  ///< branch, tag or commit
  std::string pick;               ///< one GGUF model of several: a file name, or a quant such as "Q4_K_M"; empty: none
};

/// What `text` names, or nothing when it cannot name a repository (a path such as "./a", "/a/b", "a/b/c", "a.gguf").
[[nodiscard]] std::optional<Repository> parse_repository(std::string_view text);

/// The same for an argument that must be one. Errors: kInvalidArgument.
[[nodiscard]] Result<Repository> require_repository(const std::string& text);

/// "models--ORG--NAME", "datasets--ORG--NAME"
[[nodiscard]] std::string cache_name(const Repository& repository);

/// True for a relative path that stays where it is put: components that are neither empty nor "." nor "..", without
/// control characters or backslashes, at most 255 bytes each and 1024 in all.
[[nodiscard]] bool is_safe_path(std::string_view path);

/// True for a whole commit hash: 40 hexadecimal digits in lower case.
[[nodiscard]] bool is_commit(std::string_view text);

/// True for what may be the name of a blob: 1 to 128 letters, digits, '-' and '_'.
[[nodiscard]] bool is_blob_name(std::string_view text);

/// `path` with each byte that is not a letter, a digit or one of "-._~" percent-encoded; slashes stay if `keep_slash`.
[[nodiscard]] std::string percent_encoded(std::string_view path, bool keep_slash);

}  // namespace lieq::hub
