#pragma once
/// Finds and checks the four tensors of a GPTQ-packed linear (internal to model/).

#include <string>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/io/tensors.h"
#include "lieq/model/quantization_config.h"
#include "lieq/pack/gptq.h"
#include "lieq/pack/packed_matrix.h"

namespace lieq::model {

/// What is appended to the module's name.
inline constexpr const char* kGptqParts[] = {".qweight", ".qzeros", ".scales", ".g_idx"};

/// shape: [out, in] of the linear. A missing g_idx means consecutive groups.
/// Errors: kInvalidFormat naming file, tensor, found and expected; `place` stands for the file of a missing tensor.
[[nodiscard]] Result<pack::PackedMatrix> read_gptq(Threads& threads, const io::TensorSet& files,
                                                   const std::string& module, const std::vector<std::size_t>& shape,
                                                   const LinearQuantization& widths, pack::ZeroFormat zeros,
                                                   const std::string& place);

}  // namespace lieq::model
