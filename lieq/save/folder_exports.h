#pragma once
/// Exports to Hugging Face folders of other containers (internal to save/: rows of targets(), export.h).

#include "lieq/save/export.h"

namespace lieq::save {

/// GPTQ packing, checkpoint format v1: the symmetric grid, which every reader of GPTQ takes.
extern const Target kGptqTarget;
/// The same with zero points as they are: any integer grid.
extern const Target kGptqV2Target;
/// AWQ in its GEMM layout: 4 bits everywhere, any integer grid.
extern const Target kAwqTarget;
/// compressed-tensors "pack-quantized", mixed by layer: any integer grid.
extern const Target kCompressedTensorsTarget;
/// MLX: any grid, minima too; a bias per group is -scale * zero, rounded once to half precision.
extern const Target kMlxTarget;
/// The weights as F16: any model.
extern const Target kHfFp16Target;

}  // namespace lieq::save
