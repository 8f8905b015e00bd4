#pragma once
/// One file from the hub into the cache: resumed, verified, and never half there.

#include <cstdint>
#include <functional>
#include <string>

#include "lieq/base/result.h"
#include "lieq/hub/cache.h"
#include "lieq/hub/client.h"

namespace lieq::hub {

/// Told how many bytes of the blob are on disk, as they come.
using Progress = std::function<void(std::uint64_t bytes)>;

/// Bytes of the blob that are on disk already, whole or in part.
[[nodiscard]] std::uint64_t present_bytes(const RepoCache& cache, const RemoteFile& file);

/// Makes blobs/ETAG. Takes the blob's lock; goes on from ETAG.incomplete if an earlier try left one and the etag is a
/// checksum; tries again after cut transfers for as long as bytes come; verifies size and checksum before the rename.
/// force: fetches again even if the blob is there.
/// Errors: kIo (network, disk), kNotFound, kInvalidFormat (more bytes than announced; a wrong checksum: the bytes are
/// removed).
[[nodiscard]] Result<void> fetch_blob(Client& client, const RepoCache& cache, const Repository& repository,
                                      const std::string& commit, const RemoteFile& file, bool force,
                                      const Progress& progress);

}  // namespace lieq::hub
