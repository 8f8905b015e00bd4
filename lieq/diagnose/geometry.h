#pragma once
/// Diagnostics 2 and 3: how much training shaped what the query, key and value projections do (PAPER section 1, Eq.
/// 3-7).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/forward.h"

namespace lieq::diagnose {

/// What is kept of the singular values s_i of Z = X Wᵀ. Neither number depends on the scale of Z.
struct Spectrum {
  double effective_rank = 0;  ///< r = exp(-sum p_i ln p_i), p_i = s_i / sum_j s_j (Eq. 3-4)
  double top_energy = 0;      ///< E_k = sum_{i <= k} s_i² / sum_i s_i² (Eq. 6)
};

/// values: singular values, descending. All zeros (a projection pruned away): rank 0, energy 1.
[[nodiscard]] Spectrum spectrum_of(std::span<const double> values, std::size_t top_k);

struct Geometry {
  double compactness = 0;  ///< dr = (r_rand - r) / r_rand (Eq. 5); positive: training concentrated it
  double energy_gain = 0;  ///< dE = E_k(trained) - E_k(random) (Eq. 7)
};

/// Against the mean of the random spectra; at least one.
[[nodiscard]] Geometry compare(const Spectrum& trained, std::span<const Spectrum> random);

/// What the projections are multiplied with.
enum class GeometryInput {
  kNormed,    ///< what q, k and v read: after the block's input norm
  kResidual,  ///< the residual stream before it
};

struct GeometryOptions {
  std::size_t top_k = 8;
  std::size_t draws = 4;  ///< random matrices averaged over
  std::uint64_t seed = 42;
  GeometryInput input = GeometryInput::kNormed;
  kernels::Compute compute = kernels::Compute::kF32;  ///< of the forward pass; the projections here are float32
};

/// The untrained W_rand of draw `draw`, entries N(0, initializer_range²) rounded to float32.
/// W: [rows, hidden_size], written. The same for every layer, so that differences between layers come from the layers,
/// and
/// for every platform and thread count: row i of a projection is stream (projection, draw, i) of base/random.h.
/// projection: 0, 1, 2 for q, k, v.
void draw_projection(std::uint64_t seed, std::size_t projection, std::size_t draw, double initializer_range,
                     Threads& threads, MatrixView<float> W);

/// Runs the passages as one batch and compares q, k and v of each layer with random matrices of their shape: biases and
/// the per-head norms of Qwen3 are left out, the metrics are about X W. Returns [passage][layer], means over q, k and
/// v.
/// Cost: one forward pass, 3 (1 + draws) products and spectra per layer and passage, O(m²n + m³) each for m the lesser
/// and n the greater of tokens and rows; random matrices are drawn anew for each layer and never all held. Memory:
/// those products of one layer, 3 (1 + draws) [tokens, rows] in float32.
/// Errors: kInvalidArgument (an id or a length that does not fit, no draws or top_k of 0); kNumerical naming the layer.
/// Deterministic for any thread count.
[[nodiscard]] Result<std::vector<std::vector<Geometry>>> geometry(const model::Model& model,
                                                                  std::span<const std::vector<model::TokenId>> passages,
                                                                  const GeometryOptions& options, Threads& threads,
                                                                  Sink& sink);

}  // namespace lieq::diagnose
