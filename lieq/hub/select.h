#pragma once
/// Which files of a repository are worth fetching.

#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/hub/client.h"
#include "lieq/hub/repository.h"

namespace lieq::hub {

/// Glob patterns over whole paths; '*' also matches '/', as in huggingface_hub.
struct Filter {
  std::vector<std::string> include;  ///< takes the place of the choice below
  std::vector<std::string> exclude;  ///< taken from either
};

struct Choice {
  std::vector<std::string> files;
  std::string model;  ///< the .gguf file to open (of a split model the first part); empty: the snapshot folder
};

/// Of all files in `listing`, those that `repository` and `filter` ask for:
/// - with a pick (":Q4_K_M", ":FILE"): that GGUF model, all parts of it;
/// - with include patterns: what matches;
/// - of a folder with config.json and model.safetensors (or shards): these, the other small files of its first level,
/// and
///   its licence. No .bin or .pth twins, no sub-folders;
/// - of a folder of GGUF files: the only model, or Q4_K_M of several.
/// Errors: kNotFound (nothing fits; lists what there is), kInvalidArgument (several models fit), kUnsupported (weights
/// in other formats only).
[[nodiscard]] Result<Choice> choose(const Listing& listing, const Repository& repository, const Filter& filter);

}  // namespace lieq::hub
