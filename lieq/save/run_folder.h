#pragma once
/// The state of an unfinished quantisation: finished layers beside the output, and what they were made from.

#include <cstddef>
#include <filesystem>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/quantize/quantized_layer.h"

namespace lieq::save {

/// OUT.partial/ with fingerprint.json and layer-000.safetensors, ... Every file appears whole or not at all, so the run
/// can be killed at any moment. The model made of the layers lies there too (model/) until it has been scored.
class RunFolder {
 public:
  /// Makes the folder, or goes on with one whose fingerprint is the same.
  /// Errors: kInvalidArgument naming the first field that differs from the run that lies there; kIo.
  [[nodiscard]] static Result<RunFolder> open(const std::filesystem::path& output, const Json& fingerprint);

  /// As open(), but what another run with other options left here is removed.
  [[nodiscard]] static Result<RunFolder> open_anew(const std::filesystem::path& output, const Json& fingerprint);

  /// As open(), but takes over what any other run left here: a layer depends on nothing but its own width and those of
  /// the layers before it (and on all other fields of the fingerprint), so those that both runs share are kept, all
  /// others removed. Errors: kIo.
  [[nodiscard]] static Result<RunFolder> adopt(const std::filesystem::path& output, const Json& fingerprint);

  /// Layers finished without a gap from layer 0.
  [[nodiscard]] std::size_t finished() const;
  [[nodiscard]] Result<quantize::QuantizedLayer> read(std::size_t layer) const;
  [[nodiscard]] Result<void> write(std::size_t layer, const quantize::QuantizedLayer& quantized) const;
  /// The folder is not needed any more.
  void remove() const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  [[nodiscard]] std::filesystem::path file(std::size_t layer) const;
  std::filesystem::path path_;
};

}  // namespace lieq::save
