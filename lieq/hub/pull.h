#pragma once
/// Models from the hub: into the cache, or straight to the name that another part of the program opens.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/hub/environment.h"
#include "lieq/hub/repository.h"
#include "lieq/hub/select.h"

namespace lieq::hub {

struct PullOptions {
  Filter filter;
  bool force = false;  ///< fetch again what is there
  int tries = 5;       ///< to reach the hub at all
};

struct Pulled {
  std::filesystem::path snapshot;  ///< <cache>/models--ORG--NAME/snapshots/COMMIT
  std::filesystem::path model;     ///< what to open: a .gguf file in it, or the snapshot itself
  std::vector<std::string> files;  ///< chosen, relative to the snapshot
  std::size_t fetched = 0;         ///< how many of them were not there
  std::uint64_t fetched_bytes = 0;
};

/// Fetches the files that `options` choose (see choose()) unless they are there. One request for the list and two for
/// each missing file. Progress counts kB or MB over all files; `sink` hears none with HF_HUB_DISABLE_PROGRESS_BARS.
/// Offline (HF_HUB_OFFLINE): what the cache has. May be killed at any moment; the next call goes on from there.
/// Errors: those of Client, choose() and fetch_blob(); kIo when the disk has not enough room.
[[nodiscard]] Result<Pulled> pull(const Repository& repository, const PullOptions& options,
                                  const Environment& environment, Sink& sink);

/// One file of a repository, into the cache. Errors: as pull().
[[nodiscard]] Result<std::filesystem::path> pull_file(const Repository& repository, const std::string& file,
                                                      const Environment& environment, Sink& sink);

/// What a MODEL argument means: an existing path is itself; ORG/NAME[@REVISION][:QUANT] is pulled; anything else is
/// returned as it is, for the reader to refuse. If the hub cannot be reached, a snapshot in the cache serves, with a
/// warning. Reads the process's environment.
[[nodiscard]] Result<std::filesystem::path> find_model(const std::string& argument, Sink& sink);

}  // namespace lieq::hub
