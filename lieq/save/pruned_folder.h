#pragma once
/// A model without some of its layers as a Hugging Face folder: layers renumbered, weights as they were.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"

namespace lieq::save {

/// Whether layers may go, said before anything is measured. Errors: kUnsupported naming what stands against it: a
/// folder whose weights are quantised (its rules name layers), a family whose layers differ by their index (windows, no
/// rotation in some) without a list in config.json that says which is which.
[[nodiscard]] Result<void> check_prunable(const model::Model& model);

/// config.json for the layers that are kept (ascending): num_hidden_layers, lists with one entry a layer (layer_types,
/// no_rope_layers, ...) and max_window_layers, which counts layers. `place` opens messages.
/// Errors: kUnsupported, as check_prunable.
[[nodiscard]] Result<Json> prune_config(const Json& config, std::span<const std::size_t> kept,
                                        const std::string& place);

/// The layers of `model` that are kept, as a model of its own without files: `model` must outlive it.
[[nodiscard]] model::Model keep_layers(const model::Model& model, std::span<const std::size_t> kept);

/// Writes into `path`, an empty folder. Of a folder every tensor is copied byte by byte; those of other layers are left
/// out. Of a GGUF file the weights become dense: blocks F16, others as they are.
/// Errors: kIo; those of prune_config() and copy_small_files().
[[nodiscard]] Result<void> write_pruned_folder(const model::Model& model, std::span<const std::size_t> kept,
                                               const std::filesystem::path& path, Threads& threads);

}  // namespace lieq::save
