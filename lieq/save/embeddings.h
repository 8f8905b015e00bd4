#pragma once
/// How the embedding and the head of a saved model are held: in what types, and whether as one matrix.

#include <cstddef>
#include <string>

#include "lieq/base/dtype.h"
#include "lieq/base/result.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"

namespace lieq::save {

/// What is saved. A head that is no other matrix than the embedding is saved once.
struct EmbeddingPlan {
  const pack::StoredMatrix* embedding = nullptr;  ///< [vocab_size, hidden_size]
  const pack::StoredMatrix* head = nullptr;       ///< nullptr: tied to the embedding
  DType embedding_type = DType::kF16, head_type = DType::kF16;
  std::string note;  ///< one line when the head was found to be the embedding in another rounding, or 6 bits are Q5_1

  [[nodiscard]] std::size_t bytes() const;
  /// True when a matrix is held in blocks, which no GPTQ reader knows.
  [[nodiscard]] bool is_packed() const;
};

/// Dense ones as stored, others as F16: what a GPTQ folder holds.
[[nodiscard]] EmbeddingPlan embeddings_as_stored(const model::Model& model);

/// Types for embedding and head at `bits`: 16 is embeddings_as_stored(). 8, 6 and 4 are Q8_0, Q6_K and Q4_0, unless the
/// source holds the matrix in no more bits: then its own blocks. Where rows are no multiple of Q6_K's 256, 6 bits are
/// Q5_1, which the note says: codes of 5 bits, and 1 bit a weight of scales and minima. A head of its own is held
/// against the embedding (is_same_matrix()) unless bits is 16, and tied if it is no more than that in another rounding;
/// the finer of the two is kept.
/// Errors: kInvalidArgument when rows are no multiple of the block, naming the bits that would do.
[[nodiscard]] Result<EmbeddingPlan> plan_embeddings(const model::Model& model, unsigned bits, Threads& threads);

/// Whether two matrices are roundings of one: at least 999 of 1000 weights differ by no more than a step of both
/// together, and none by more than 8. A step is the least distance of two values of a group (16 weights of K blocks with
/// as many scales, otherwise 32), for dense types a unit in the last place of 11 or 8 bits.
/// Two matrices that were trained apart differ by the size of weights, which is several steps.
[[nodiscard]] bool is_same_matrix(const pack::StoredMatrix& a, const pack::StoredMatrix& b, Threads& threads);

/// Mean width of all weights but the layers' linears (embedding, head, norms and biases, these in float32) as
/// `plan` saves them, over parameter_count(model): what allocate::Options::rest_bits and BitPlan::rest_bits count.
[[nodiscard]] double rest_bits(const model::Model& model, const EmbeddingPlan& plan);

}  // namespace lieq::save
