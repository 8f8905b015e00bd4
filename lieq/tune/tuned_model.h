#pragma once
/// A quantised model whose group scales and norm gains are free, and how far it is from the original: KL and its
/// gradient. Codes, zero points, embedding, head and final norm stay.
///
/// The free numbers are logarithms of factors, all 0 at the start: of every group's scale (a minimum, where a group has
/// one, keeps its ratio to the scale), then of every gain of the norms before attention and before the MLP. One flat
/// array holds them: scales first, gains behind.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/base/threads.h"
#include "lieq/model/model.h"
#include "lieq/tune/block.h"
#include "lieq/tune/kl_gradient.h"

namespace lieq::tune {

/// kStored: scales as half-precision numbers, as they will be saved; kExact for steps too small to show there.
enum class Rounding { kExact, kStored };

class TunedModel {
 public:
  /// `original` gives embedding, head and final norm of both models; `quantised`: its layers, every linear packed, with
  /// columns in order. Sequences have `length` tokens. All must outlive the result.
  /// Errors: kUnsupported naming what cannot be tuned: a feature of the model, or the form of a linear.
  [[nodiscard]] static Result<TunedModel> create(const model::Model& original, const model::Model& quantised,
                                                 std::size_t length, Threads& threads);

  [[nodiscard]] std::size_t size() const { return offsets_.end; }
  /// Where gains begin among the free numbers.
  [[nodiscard]] std::size_t first_gain() const { return offsets_.first_gain; }

  /// Puts free numbers into effect. values: [size()].
  void set(std::span<const float> values, Rounding rounding);

  /// What the head reads in the original model, [tokens, hidden_size]; written, and read by the other two.
  void run_original(std::span<const model::TokenId> tokens, MatrixView<float> hidden);
  /// Mean KL(original || tuned), as KlGradient::kl().
  [[nodiscard]] Result<double> kl(std::span<const model::TokenId> tokens, MatrixView<const float> original, Sink& sink);
  /// The same and its gradient, [size()], written; as KlGradient::gradient().
  [[nodiscard]] Result<double> gradient(std::span<const model::TokenId> tokens, MatrixView<const float> original,
                                        std::span<float> gradient, Sink& sink);

  /// What is in effect, of one layer: half bits of the scales, [out, groups] by LinearKind, and gains.
  struct Values {
    std::array<std::vector<std::uint16_t>, model::kLinearsPerLayer> scales;
    std::vector<float> input_layernorm, post_attention_layernorm;
  };
  [[nodiscard]] Values values(std::size_t layer) const;

 private:
  /// Where a layer's free numbers lie.
  struct Place {
    std::array<std::size_t, model::kLinearsPerLayer> scales{};
    std::size_t input_gain = 0, post_attention_gain = 0;
  };
  struct Offsets {
    std::vector<Place> layers;
    std::size_t first_gain = 0, end = 0;
  };
  class Observer;

  TunedModel(const model::Model& original, const model::Model& quantised, std::size_t length, Threads& threads);
  [[nodiscard]] TunedLayer layer(std::size_t l) const;

  const model::Model* quantised_;
  Threads* threads_;
  Offsets offsets_;
  std::vector<float> factors_;  // [size()]: of scales as they are in effect; then gains themselves
  KlGradient walk_;
  ProductScratch products_;
};

}  // namespace lieq::tune
