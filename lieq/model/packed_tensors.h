#pragma once
/// Finds and checks the tensors of a quantised module in a Hugging Face folder, whatever the container (internal to
/// model/).

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/io/tensors.h"
#include "lieq/model/quantization_config.h"
#include "lieq/pack/stored_matrix.h"

namespace lieq::model {

/// What may be appended to the name of a quantised module; the first is always there and tells it from a dense one.
[[nodiscard]] std::span<const std::string_view> packed_parts(Container container);

/// The weights of `module`, bit for bit those of the container's own formula in float32: packed codes, or float32 where
/// halves cannot hold its scales or origins (`packed` is not set then). shape: [out, in].
/// Errors: kInvalidFormat or kUnsupported naming file, tensor, found and expected; `place` stands for the file of a
/// missing tensor.
[[nodiscard]] Result<pack::StoredMatrix> read_packed(Threads& threads, const io::TensorSet& files,
                                                     const std::string& module, const std::vector<std::size_t>& shape,
                                                     const LinearQuantization& how, const std::string& place);

}  // namespace lieq::model
