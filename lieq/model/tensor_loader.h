#pragma once
/// Takes the tensors of the table out of an opened file set and puts them into a model (internal to model/: load.cc).

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/io/tensors.h"
#include "lieq/model/model.h"
#include "lieq/model/quantization_config.h"

namespace lieq::model {

/// What was read of the files.
struct TakenTensors {
  std::set<std::string> used;
  std::size_t unpacked = 0;        ///< quantised modules whose scales halves cannot hold
  std::vector<io::Tensor> blocks;  ///< tensors of bytes as what they hold: rows of blocks
};

/// Fills embedding, layers, norm and head from model.files; its configuration is there already, and learns whether the
/// head is tied. quantization: of a folder whose config.json has one, otherwise nothing.
/// Errors: kInvalidFormat or kUnsupported naming the tensor that is missing, of another shape or type, or too many.
[[nodiscard]] Result<TakenTensors> take_tensors(Model& model, Threads& threads, Names names,
                                                std::optional<QuantizationConfig> quantization, Sink& sink);

}  // namespace lieq::model
