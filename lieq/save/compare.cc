#include "lieq/save/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/kernels/linear.h"
#include "lieq/save/linear_codes.h"

namespace lieq::save {
namespace {

using model::Role;

/// How far one row is off.
struct RowDifference {
  double largest = 0, value = 0;
  std::size_t wrong_code = kNone;  ///< the first column off by a quarter step or more

  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
};

/// The distance of neighbouring levels in row i at each input; empty where the source is dense or blocks. [cols]
std::vector<float> steps_of(const pack::StoredMatrix& matrix, std::size_t i) {
  if (matrix.is_stored()) return {};
  const pack::PackedMatrix& packed = *matrix.packed;
  std::vector<float> steps(packed.cols());
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const std::size_t column = packed.order().empty() ? k : static_cast<std::size_t>(packed.order()[k]);
    steps[column] = std::fabs(packed.scale(i, k / packed.group_size()));
  }
  return steps;
}

RowDifference compare_values(std::span<const float> source, std::span<const float> written,
                             std::span<const float> steps) {
  RowDifference row;
  for (std::size_t j = 0; j < source.size(); ++j) {
    const double off = std::fabs(static_cast<double>(source[j]) - static_cast<double>(written[j]));
    row.largest = std::max(row.largest, off);
    row.value = std::max(row.value, std::fabs(static_cast<double>(source[j])));
    if (row.wrong_code == RowDifference::kNone && !steps.empty() && off > 0 &&
        off >= 0.25 * static_cast<double>(steps[j]))
      row.wrong_code = j;
  }
  return row;
}

Unexpected differ(const model::Model& written, const std::string& name, const std::string& found,
                  const std::string& expected) {
  return fail(ErrorCode::kInvalidFormat, fmt::format("{}: tensor '{}': read back as {}, expected {}",
                                                     written.path.string(), name, found, expected));
}

class Comparison {
 public:
  Comparison(const model::Model& source, const model::Model& written, Threads& threads)
      : source_(source), written_(written), threads_(threads) {}

  Result<void> compare(const model::TensorSpec& spec, std::size_t l) {
    const std::string name = model::tensor_name(spec.hf_name, l);
    const pack::StoredMatrix* matrix = matrix_of(source_, spec, l);
    if (matrix) return compare_matrix(spec, name, *matrix, *matrix_of(written_, spec, l));
    const std::vector<float>&source = vector_of(source_, spec, l), &written = vector_of(written_, spec, l);
    if (source.size() != written.size())
      return differ(written_, name, fmt::format("{} values", written.size()), fmt::format("{}", source.size()));
    note(name, {compare_values(source, written, {})});
    return {};
  }

  [[nodiscard]] std::vector<TensorDifference> take() { return std::move(differences_); }

 private:
  Result<void> compare_matrix(const model::TensorSpec& spec, const std::string& name, const pack::StoredMatrix& source,
                              const pack::StoredMatrix& written) {
    if (source.rows != written.rows || source.cols != written.cols)
      return differ(written_, name, fmt::format("[{}, {}]", written.rows, written.cols),
                    fmt::format("[{}, {}]", source.rows, source.cols));
    std::vector<RowDifference> rows(source.rows);
    threads_.for_each(rows.size(), [&](std::size_t i, std::size_t) {
      std::vector<float> a(source.cols), b(source.cols);
      kernels::decode_row(source, i, a.data());
      kernels::decode_row(written, i, b.data());
      // Embedding and head may be asked for in another width.
      rows[i] = compare_values(a, b, spec.role == Role::kLinear ? steps_of(source, i) : std::vector<float>());
    });
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows[i].wrong_code != RowDifference::kNone)
        return differ(written_, name, fmt::format("another code at row {}, column {}", i, rows[i].wrong_code),
                      "the codes of the source");
    note(name, rows);
    return {};
  }

  void note(const std::string& name, const std::vector<RowDifference>& rows) {
    TensorDifference difference{name, 0, 0};
    for (const RowDifference& row : rows) {
      difference.largest_difference = std::max(difference.largest_difference, row.largest);
      difference.largest_value = std::max(difference.largest_value, row.value);
    }
    if (difference.largest_difference > 0) differences_.push_back(std::move(difference));
  }

  const model::Model& source_;
  const model::Model& written_;
  Threads& threads_;
  std::vector<TensorDifference> differences_;
};

/// What the forward pass needs beside the weights.
Result<void> compare_configs(const model::Model& source, const model::Model& written) {
  const model::ModelConfig &a = source.config, &b = written.config;
  const auto expect = [&](const char* field, auto found, auto expected) -> Result<void> {
    if (found == expected) return {};
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: {}: read back as {}, expected {}", written.path.string(),
                                                       field, found, expected));
  };
  LIEQ_TRY(expect("architecture", b.architecture, a.architecture));
  LIEQ_TRY(expect("num_hidden_layers", b.num_hidden_layers, a.num_hidden_layers));
  LIEQ_TRY(expect("num_attention_heads", b.num_attention_heads, a.num_attention_heads));
  LIEQ_TRY(expect("num_key_value_heads", b.num_key_value_heads, a.num_key_value_heads));
  LIEQ_TRY(expect("max_position_embeddings", b.max_position_embeddings, a.max_position_embeddings));
  LIEQ_TRY(expect("rms_norm_eps", static_cast<float>(b.rms_norm_eps), static_cast<float>(a.rms_norm_eps)));
  constexpr float kRelativeError = 0x1p-20F;  // a few roundings of float32
  // Dynamic and longrope rotate long sequences in another way than short ones.
  for (const std::size_t length : {std::size_t{1}, a.max_position_embeddings}) {
    const std::vector<float> read = model::inverse_frequencies(b.rope, b.head_dim, length);
    const std::vector<float> expected = model::inverse_frequencies(a.rope, a.head_dim, length);
    for (std::size_t j = 0; j < expected.size(); ++j)
      if (!(std::fabs(read[j] - expected[j]) <= kRelativeError * expected[j]))
        LIEQ_TRY(expect("rotary frequencies", read[j], expected[j]));
  }
  const double factor = a.rope.attention_factor;
  if (!(std::fabs(b.rope.attention_factor - factor) <= double{kRelativeError} * factor))
    LIEQ_TRY(expect("attention factor", b.rope.attention_factor, factor));
  return {};
}

}  // namespace

const std::vector<float>& vector_of(const model::Model& model, const model::TensorSpec& spec, std::size_t l) {
  switch (spec.role) {
    case Role::kFinalNorm: return model.norm;
    case Role::kInputNorm: return model.layers[l].input_layernorm;
    case Role::kPostAttentionNorm: return model.layers[l].post_attention_layernorm;
    case Role::kQNorm: return model.layers[l].q_norm;
    case Role::kKNorm: return model.layers[l].k_norm;
    case Role::kBias: return model.layers[l].linear(spec.linear).bias;
    default: LIEQ_CHECK(false);
  }
}

const pack::StoredMatrix* matrix_of(const model::Model& model, const model::TensorSpec& spec, std::size_t l) {
  switch (spec.role) {
    case Role::kEmbedding: return &model.embed_tokens;
    case Role::kHead: return &model.lm_head;
    case Role::kLinear: return &model.layers[l].linear(spec.linear).weight;
    default: return nullptr;
  }
}

Result<std::vector<TensorDifference>> compare_models(const model::Model& source, const model::Model& written,
                                                     Threads& threads) {
  LIEQ_TRY(compare_configs(source, written));
  Comparison comparison(source, written, threads);
  for (const model::TensorSpec& spec : model::tensor_table(source.config)) {
    if (!spec.required) continue;
    for (std::size_t l = 0; l < (spec.per_layer ? source.layers.size() : 1); ++l)
      LIEQ_TRY(comparison.compare(spec, l));
  }
  return comparison.take();
}

}  // namespace lieq::save
