#pragma once
/// Reader for safetensors, one file or the shards of a Hugging Face folder.
///
/// Goals: an opened set is proven sound: the header is JSON within its limit (100 MB), every tensor lies
/// inside its file, shape x dtype = bytes, no holes, no overlaps, no name twice, every shard of the
/// index present, and tensors that are not in the shard the index names marked. Zero-copy.
/// Non-goals: writing (save/), dtypes the format does not list.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/io/tensors.h"

namespace lieq::io {

/// Opens one .safetensors file.
/// Errors: kNotFound, kIo, kInvalidFormat, kUnsupported (dtype); each names file, tensor, found, expected.
[[nodiscard]] Result<TensorSet> open_safetensors(const std::filesystem::path& file);

/// Opens the shards that `folder`/model.safetensors.index.json names, or else `folder`/model.safetensors, or else the
/// one index or the one .safetensors file there is, whatever its name (adapters apart). Where an index and a single
/// file are there, the shards are taken if all exist, otherwise the single file; `sink` is told. A tensor that is not
/// where the index says is in doubt (TensorSet::doubts). Shard names with a path separator are refused. Errors: as
/// open_safetensors.
[[nodiscard]] Result<TensorSet> open_safetensors_folder(const std::filesystem::path& folder, Sink& sink);

/// The proof behind both, over the bytes of one file, which must outlive the result. `place` opens each message.
[[nodiscard]] Result<TensorSet> parse_safetensors(std::span<const std::byte> bytes, const std::string& place);

}  // namespace lieq::io
