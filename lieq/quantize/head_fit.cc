#include "lieq/quantize/head_fit.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lieq/kernels/linear.h"
#include "lieq/quantize/activations.h"
#include "lieq/quantize/fit.h"
#include "lieq/quantize/streams.h"

namespace lieq::quantize {
namespace {

/// XᵀX over what the head reads.
Result<std::vector<float>> hessian_of(const model::Model& model, std::span<const model::TokenId> ids,
                                      std::size_t window, Threads& threads, Sink& sink) {
  const std::size_t in = model.config.hidden_size, windows = ids.size() / window, step = chunk_windows(window);
  ProductSum sum(in, in);
  model::RunState state(model, threads, kernels::Compute::kF32);
  kernels::Buffer<float> buffer;
  for (std::size_t w = 0; w < windows; w += step) {
    LIEQ_TRY(check_cancelled(sink));
    sink.progress("reading for the head: windows", w, windows);
    const std::size_t taken = std::min(step, windows - w);
    const std::vector<model::SequenceSpan> sequences(taken, {window, nullptr});
    const MatrixView<float> hidden = buffer.matrix(taken * window, in);
    model::forward(model, ids.subspan(w * window, taken * window), sequences, state, hidden);
    sum.add_square(threads, hidden);
  }
  return sum.take_symmetric(threads);
}

}  // namespace

Result<void> fit_head(const model::Model& model, const pack::StoredMatrix& weight, std::span<const model::TokenId> ids,
                      std::size_t window, double damping, Threads& threads, Sink& sink,
                      const std::function<void(std::size_t, pack::QuantizedMatrix)>& take) {
  LIEQ_ASSIGN(std::vector<float> hessian, hessian_of(model, ids, window, threads, sink));
  LIEQ_ASSIGN(const Quadratic quadratic, Quadratic::create(threads, std::move(hessian), damping));
  Options options;
  options.grid = Grid::kSkew;
  options.group_size = kHeadGroup;
  options.sweeps = 2;
  const FitRules rules = fit_rules(options, 4, weight.cols);
  std::vector<float> rows;
  for (std::size_t first = 0; first < weight.rows; first += kHeadRows) {
    LIEQ_TRY(check_cancelled(sink));
    sink.progress("fitting the head: rows", first, weight.rows);
    const std::size_t count = std::min(kHeadRows, weight.rows - first);
    rows.resize(count * weight.cols);
    const MatrixView<float> slab(rows.data(), count, weight.cols);
    threads.for_each(count,
                     [&](std::size_t i, std::size_t) { kernels::decode_row(weight, first + i, slab.row(i).data()); });
    LIEQ_ASSIGN(const Fitted fitted, gptq(threads, slab, quadratic, rules));
    take(first, to_quantized(fitted, options.grid));
  }
  sink.progress("fitting the head: rows", weight.rows, weight.rows);
  return {};
}

}  // namespace lieq::quantize
