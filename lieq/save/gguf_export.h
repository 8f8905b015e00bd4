#pragma once
/// A model as one GGUF file: what llama.cpp and its relatives run.
///
/// Linears keep their codes: packed ones become the blocks of gguf_blocks.h, blocks and dense weights are copied. Rows
/// of q and k lie as the architecture wants them. Of a GGUF source all tensors and keys are copied as they lie, but for
/// the embedding and the head where another type is asked for. Keys of ours: lieq.export.largest_difference and
/// lieq.export.largest_embedding_difference, what reading back found.

#include "lieq/save/export.h"

namespace lieq::save {

extern const Target kGgufTarget;

}  // namespace lieq::save
