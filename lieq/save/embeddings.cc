#include "lieq/save/embeddings.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/kernels/linear.h"

namespace lieq::save {
namespace {

using pack::StoredMatrix;

bool is_dense(const StoredMatrix& matrix) { return matrix.is_stored() && block_elements(matrix.type) == 1; }

double bits_of(DType type) {
  return 8.0 * static_cast<double>(block_bytes(type)) / static_cast<double>(block_elements(type));
}

std::size_t bytes_as(const StoredMatrix& matrix, DType type) {
  return matrix.rows * (matrix.cols / block_elements(type) * block_bytes(type));
}

/// Weights whose values have one step.
std::size_t step_group(const StoredMatrix& matrix) {
  if (!matrix.is_stored()) return std::min<std::size_t>(32, matrix.packed->group_size());
  switch (matrix.type) {
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kQ6_K: return 16;
    default: return 32;
  }
}

/// The step at each weight of a row. sorted: scratch.
void steps_of(const StoredMatrix& matrix, std::span<const float> row, std::vector<float>& sorted,
              std::span<float> steps) {
  if (is_dense(matrix)) {
    const float unit = matrix.type == DType::kBF16 ? 0x1p-7F : 0x1p-10F;
    for (std::size_t j = 0; j < row.size(); ++j) steps[j] = std::max(std::fabs(row[j]) * unit, 0x1p-24F);
    return;
  }
  for (std::size_t first = 0; first < row.size(); first += step_group(matrix)) {
    const std::span<const float> group = row.subspan(first, std::min(step_group(matrix), row.size() - first));
    sorted.assign(group.begin(), group.end());
    std::ranges::sort(sorted);
    float step = 0;
    // Values of one level may differ in the last bits of float32.
    const float least = 0x1p-16F * std::max(std::fabs(sorted.front()), std::fabs(sorted.back()));
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      const float distance = sorted[i] - sorted[i - 1];
      if (distance > least && (step == 0 || distance < step)) step = distance;
    }
    std::ranges::fill(steps.subspan(first, group.size()), step);
  }
}

/// How far two rows are apart.
struct Apart {
  std::size_t beyond_a_step = 0;
  double most_steps = 0;
};

Apart compare_rows(const StoredMatrix& a, const StoredMatrix& b, std::size_t i) {
  std::vector<float> x(a.cols), y(a.cols), step_x(a.cols), step_y(a.cols), sorted;
  kernels::decode_row(a, i, x.data());
  kernels::decode_row(b, i, y.data());
  steps_of(a, x, sorted, step_x);
  steps_of(b, y, sorted, step_y);
  Apart apart;
  for (std::size_t j = 0; j < a.cols; ++j) {
    const double off = std::fabs(static_cast<double>(x[j]) - static_cast<double>(y[j]));
    const double step = static_cast<double>(step_x[j]) + static_cast<double>(step_y[j]);
    if (off <= step) continue;
    ++apart.beyond_a_step;
    apart.most_steps =
        std::max(apart.most_steps, step > 0 ? off / step : std::numeric_limits<double>::infinity());
  }
  return apart;
}

/// The type of `bits` bits; 6 where rows do not fill the 256 weights of a Q6_K block are Q5_1, 6 bits a weight as well.
DType type_of_bits(unsigned bits, std::size_t cols) {
  if (bits == 6) return cols % block_elements(DType::kQ6_K) == 0 ? DType::kQ6_K : DType::kQ5_1;
  return bits == 8 ? DType::kQ8_0 : DType::kQ4_0;
}

Result<DType> type_for(const model::Model& model, const StoredMatrix& matrix, unsigned bits) {
  const DType wanted = type_of_bits(bits, matrix.cols);
  if (matrix.is_stored() && !is_dense(matrix) && bits_of(matrix.type) <= bits_of(wanted)) return matrix.type;
  if (matrix.cols % block_elements(wanted) == 0) return wanted;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: tensor '{}': found rows of {}, expected a multiple of {} for {} bits (16 would do)",
                          model.path.string(), matrix.name, matrix.cols, block_elements(wanted), bits));
}

}  // namespace

std::size_t EmbeddingPlan::bytes() const {
  return bytes_as(*embedding, embedding_type) + (head ? bytes_as(*head, head_type) : 0);
}

bool EmbeddingPlan::is_packed() const {
  return block_elements(embedding_type) > 1 || (head && block_elements(head_type) > 1);
}

bool is_same_matrix(const StoredMatrix& a, const StoredMatrix& b, Threads& threads) {
  constexpr double kMostBeyond = 0.001, kMostSteps = 8;
  if (a.rows != b.rows || a.cols != b.cols) return false;
  std::vector<Apart> rows(a.rows);
  threads.for_each(a.rows, [&](std::size_t i, std::size_t) { rows[i] = compare_rows(a, b, i); });
  std::size_t beyond = 0;
  for (const Apart& row : rows) {
    if (row.most_steps > kMostSteps) return false;
    beyond += row.beyond_a_step;
  }
  return static_cast<double>(beyond) <= kMostBeyond * static_cast<double>(a.rows) * static_cast<double>(a.cols);
}

EmbeddingPlan embeddings_as_stored(const model::Model& model) {
  const auto plain = [](const StoredMatrix& matrix) { return is_dense(matrix) ? matrix.type : DType::kF16; };
  EmbeddingPlan plan;
  plan.embedding = &model.embed_tokens;
  plan.embedding_type = plain(model.embed_tokens);
  if (model.config.tie_word_embeddings) return plan;
  plan.head = &model.lm_head;
  plan.head_type = plain(model.lm_head);
  return plan;
}

Result<EmbeddingPlan> plan_embeddings(const model::Model& model, unsigned bits, Threads& threads) {
  LIEQ_CHECK(bits == 4 || bits == 6 || bits == 8 || bits == 16);
  EmbeddingPlan plan = embeddings_as_stored(model);
  if (bits == 16) return plan;
  if (plan.head && is_same_matrix(*plan.embedding, *plan.head, threads)) {
    plan.note = fmt::format("the head ({}) is the embedding ({}) in another rounding: saved once", plan.head->format(),
                            plan.embedding->format());
    if (plan.head->code_bits() > plan.embedding->code_bits()) plan.embedding = plan.head;
    plan.head = nullptr;
  }
  LIEQ_ASSIGN(plan.embedding_type, type_for(model, *plan.embedding, bits));
  if (plan.head) {
    LIEQ_ASSIGN(plan.head_type, type_for(model, *plan.head, bits));
  }
  if (bits == 6 && type_of_bits(bits, plan.embedding->cols) != DType::kQ6_K)
    plan.note += fmt::format("{}rows of {} do not fill the 256 weights of Q6_K: 6 bits are Q5_1",
                             plan.note.empty() ? "" : "; ", plan.embedding->cols);
  return plan;
}

double rest_bits(const model::Model& model, const EmbeddingPlan& plan) {
  std::size_t linears = 0, vectors = model.norm.size();
  for (const model::Layer& layer : model.layers) {
    for (const std::vector<float>* norm :
         {&layer.input_layernorm, &layer.post_attention_layernorm, &layer.attention_output_norm, &layer.mlp_output_norm,
          &layer.q_norm, &layer.k_norm})
      vectors += norm->size();
    for (const model::Linear& linear : layer.linears) {
      linears += linear.weight.rows * linear.weight.cols;
      vectors += linear.bias.size();
    }
  }
  const std::size_t rest = parameter_count(model) - linears;
  return 8.0 * static_cast<double>(plan.bytes() + vectors * sizeof(float)) / static_cast<double>(rest);
}

}  // namespace lieq::save
