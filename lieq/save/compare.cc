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
    const auto matrices = matrices_of(source_, spec, l), read = matrices_of(written_, spec, l);
    if (!matrices.empty()) return compare_matrices(spec, name, matrices, read);
    const std::vector<float> source = vector_of(source_, spec, l), written = vector_of(written_, spec, l);
    if (source.size() != written.size())
      return differ(written_, name, fmt::format("{} values", written.size()), fmt::format("{}", source.size()));
    note(name, {compare_values(source, written, {})});
    return {};
  }

  [[nodiscard]] std::vector<TensorDifference> take() { return std::move(differences_); }

 private:
  using Matrices = std::vector<const pack::StoredMatrix*>;

  Result<void> compare_matrices(const model::TensorSpec& spec, const std::string& name, const Matrices& sources,
                                const Matrices& read) {
    std::vector<RowDifference> all;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      LIEQ_ASSIGN(const std::vector<RowDifference> rows, compare_matrix(spec, name, *sources[i], *read[i]));
      all.insert(all.end(), rows.begin(), rows.end());
    }
    note(name, all);
    return {};
  }

  Result<std::vector<RowDifference>> compare_matrix(const model::TensorSpec& spec, const std::string& name,
                                                    const pack::StoredMatrix& source,
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
    return rows;
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

constexpr float kRelativeError = 0x1p-20F;  // a few roundings of float32

bool is_near(double a, double b) { return std::fabs(a - b) <= double{kRelativeError} * std::fabs(b); }

/// Compares what the forward pass needs beside the weights.
class ConfigComparison {
 public:
  ConfigComparison(const model::Model& source, const model::Model& written)
      : a_(source.config), b_(written.config), place_(written.path.string()) {}

  Result<void> compare() const {
    // Files in GGUF have one name for families that differ in features alone.
    LIEQ_TRY(expect("architecture", model::architecture_of(b_.architecture).gguf_name,
                    model::architecture_of(a_.architecture).gguf_name));
    LIEQ_TRY(expect("num_hidden_layers", b_.num_hidden_layers, a_.num_hidden_layers));
    LIEQ_TRY(expect("num_attention_heads", b_.num_attention_heads, a_.num_attention_heads));
    LIEQ_TRY(expect("num_key_value_heads", b_.num_key_value_heads, a_.num_key_value_heads));
    LIEQ_TRY(expect("max_position_embeddings", b_.max_position_embeddings, a_.max_position_embeddings));
    LIEQ_TRY(expect("rms_norm_eps", static_cast<float>(b_.rms_norm_eps), static_cast<float>(a_.rms_norm_eps)));
    LIEQ_TRY(expect("activation", static_cast<int>(b_.activation), static_cast<int>(a_.activation)));
    LIEQ_TRY(expect("rotated numbers of a head", b_.rotated(), a_.rotated()));
    LIEQ_TRY(expect_near("attention scale", scale_of(b_), scale_of(a_)));
    LIEQ_TRY(expect_near("embedding_multiplier", b_.embedding_multiplier, a_.embedding_multiplier));
    LIEQ_TRY(expect_near("residual_multiplier", b_.residual_multiplier, a_.residual_multiplier));
    LIEQ_TRY(expect_near("logits_scaling", b_.logits_scaling, a_.logits_scaling));
    LIEQ_TRY(expect_near("final_logit_softcapping", b_.final_logit_softcap, a_.final_logit_softcap));
    bool windows = false;
    for (std::size_t l = 0; l < a_.num_hidden_layers; ++l) {
      LIEQ_TRY(expect("window of a layer", b_.kind(l).window, a_.kind(l).window));
      LIEQ_TRY(expect("rotation of a layer", b_.kind(l).rotated, a_.kind(l).rotated));
      windows = windows || a_.kind(l).window != 0;
    }
    LIEQ_TRY(compare_ropes(b_.rope, a_.rope));
    return windows ? compare_ropes(b_.window_rope.value_or(b_.rope), a_.window_rope.value_or(a_.rope)) : Result<void>{};
  }

 private:
  template <class T>
  Result<void> expect(const char* field, const T& found, const T& expected) const {
    if (found == expected) return {};
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: {}: read back as {}, expected {}", place_, field, found, expected));
  }
  Result<void> expect_near(const char* field, double found, double expected) const {
    return is_near(found, expected) ? Result<void>{} : expect(field, found, expected);
  }
  static double scale_of(const model::ModelConfig& c) {
    return c.attention_scale != 0 ? static_cast<double>(c.attention_scale)
                                  : 1 / std::sqrt(static_cast<double>(c.head_dim));
  }

  Result<void> compare_ropes(const model::RopeConfig& found, const model::RopeConfig& expected) const {
    // Dynamic and longrope rotate long sequences in another way than short ones.
    for (const std::size_t length : {std::size_t{1}, a_.max_position_embeddings}) {
      const std::vector<float> read = model::inverse_frequencies(found, b_.rotated(), length);
      const std::vector<float> frequencies = model::inverse_frequencies(expected, a_.rotated(), length);
      for (std::size_t j = 0; j < frequencies.size(); ++j)
        LIEQ_TRY(expect_near("rotary frequencies", static_cast<double>(read[j]), static_cast<double>(frequencies[j])));
    }
    LIEQ_TRY(expect_near("attention factor", found.attention_factor, expected.attention_factor));
    LIEQ_TRY(expect_near("llama_4_scaling_beta", found.query_growth, expected.query_growth));
    return expected.query_growth == 0 ? Result<void>{}
                                      : expect_near("growth period", found.growth_period, expected.growth_period);
  }

  const model::ModelConfig &a_, &b_;
  std::string place_;
};

}  // namespace

Result<std::vector<TensorDifference>> compare_models(const model::Model& source, const model::Model& written,
                                                     Threads& threads) {
  LIEQ_TRY(ConfigComparison(source, written).compare());
  Comparison comparison(source, written, threads);
  for (const model::TensorSpec& spec : model::tensor_table(source.config)) {
    if (!spec.required) continue;
    for (std::size_t l = 0; l < (spec.per_layer ? source.layers.size() : 1); ++l)
      LIEQ_TRY(comparison.compare(spec, l));
  }
  return comparison.take();
}

}  // namespace lieq::save
