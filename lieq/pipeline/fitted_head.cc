#include "lieq/pipeline/fitted_head.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "lieq/pipeline/run_memory.h"
#include "lieq/quantize/head_fit.h"
#include "lieq/quantize/streams.h"
#include "lieq/save/gguf_blocks.h"

namespace lieq::pipeline {
namespace {

constexpr DType kType = DType::kQ4_0;

/// What the head multiplies by, if that is to be fitted.
const pack::StoredMatrix* to_fit(const save::EmbeddingPlan& plan) {
  const pack::StoredMatrix& weight = plan.head ? *plan.head : *plan.embedding;
  const DType wanted = plan.head ? plan.head_type : plan.embedding_type;
  const bool is_there = weight.is_stored() && weight.type == kType;
  return wanted == kType && !is_there ? &weight : nullptr;
}

std::span<const text::TokenId> tokens_of(const Calibration& text) {
  const std::size_t windows = std::max<std::size_t>(1, kHeadTokens / text.window);
  return std::span(text.ids).first(std::min(text.ids.size(), windows * text.window));
}

}  // namespace

Result<std::optional<pack::StoredMatrix>> fitted_head(const LayersJob& job, const LayerSource& layer, Threads& threads,
                                                      Sink& sink) {
  const pack::StoredMatrix* weight = to_fit(job.embeddings);
  if (!weight) return std::nullopt;
  const bool tied = job.embeddings.head == nullptr;
  LIEQ_ASSIGN(const model::Model made, with_layers(job, layer, threads));
  pack::StoredMatrix head{.name = weight->name, .type = kType, .rows = weight->rows, .cols = weight->cols};
  auto bytes = std::make_shared<std::vector<std::byte>>(head.rows * head.row_bytes());
  LIEQ_TRY(quantize::fit_head(made, *weight, tokens_of(*job.calibration), job.calibration->window,
                              tied ? quantize::kTiedHeadDamping : quantize::kHeadDamping, threads, sink,
                              [&](std::size_t first, pack::QuantizedMatrix rows) {
                                const save::LinearCodes codes{std::move(rows), {}};
                                threads.for_each(codes.matrix.rows, [&](std::size_t i, std::size_t) {
                                  save::codes_to_blocks(codes, i, kType, &(*bytes)[(first + i) * head.row_bytes()]);
                                });
                              }));
  head.data = bytes->data();
  head.owner = std::move(bytes);
  return head;
}

std::optional<StageSize> size_of_fitted_head(const LayersJob& job) {
  const pack::StoredMatrix* weight = to_fit(job.embeddings);
  if (!weight) return std::nullopt;
  const model::Model& model = job.bundle->model;
  const std::size_t tokens = tokens_of(*job.calibration).size(), window = job.calibration->window;
  const auto rows = static_cast<double>(weight->rows), in = static_cast<double>(weight->cols);
  const double slab = std::min(rows, static_cast<double>(quantize::kHeadRows)) * in;
  return StageSize{pass_work(model, tokens, window) + 7 * rows * in * in,
                   base_memory(model.config) + packed_layers_memory(job.plan) +
                       pass_memory(model.config, std::max(window, quantize::chunk_windows(window) * window)) +
                       12 * slab};
}

}  // namespace lieq::pipeline
