#pragma once
/// Embedding and head of four bits, fitted as the layers are instead of rounded.

#include <cstddef>
#include <optional>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/pack/stored_matrix.h"
#include "lieq/pipeline/estimate.h"
#include "lieq/pipeline/layers.h"

namespace lieq::pipeline {

/// Calibration tokens that the head is fitted to, at most.
inline constexpr std::size_t kHeadTokens = 16384;

/// The matrix that the head of the job's embeddings multiplies by (the embedding, if tied), as Q4_0 blocks that are
/// fitted to what `layer`s give (quantize/head_fit.h). It owns its bytes.
/// Nothing where that matrix is not saved as Q4_0, or holds such blocks already.
/// Errors: those of fit_head() and with_layers().
[[nodiscard]] Result<std::optional<pack::StoredMatrix>> fitted_head(const LayersJob& job, const LayerSource& layer,
                                                                    Threads& threads, Sink& sink);

/// What that takes; nothing where nothing is to be fitted.
[[nodiscard]] std::optional<StageSize> size_of_fitted_head(const LayersJob& job);

}  // namespace lieq::pipeline
