#pragma once
/// How wide each layer's codes are to be: the record between `lieq allocate` and `lieq quantize --plan` (plan.json).
/// It can be edited by hand: everything that follows from the widths is computed anew when it is read.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/layer_scores.h"
#include "lieq/base/result.h"

namespace lieq {

/// What a plan may spend. Code bits and true bits are means over the weights of the layers' linears.
struct Budget {
  enum class Kind {
    kTop,       ///< value layers at the highest width, the others at the lowest
    kCodeBits,  ///< codes alone: the paper's number
    kTrueBits,  ///< codes, scales and zero points
    kBytes,     ///< the whole model in memory: linears at their true bits, all other weights at rest_bits
  };
  Kind kind = Kind::kCodeBits;
  double value = 0;
};

/// "top", "code_bits", "true_bits", "bytes".
[[nodiscard]] std::string_view name(Budget::Kind kind);

/// A linear, or several that lie in one tensor, whose width is not that of the rest of its layer.
struct LinearPlan {
  int bits = 0;
  std::uint64_t weights = 0;
};

struct LayerPlan {
  int bits = 0;               ///< of all linears that `linears` does not name
  std::uint64_t weights = 0;  ///< N_l, the weights of the layer's linears
  std::string reason;         ///< why this width, in words
  std::map<std::string, LinearPlan> linears = {};  ///< by module name within the layer: "self_attn.v_proj"

  /// The width of one linear.
  [[nodiscard]] int bits_of(const std::string& linear) const;
  /// In bits: the sum over the layer's weights of what `of_width` says of their width.
  template <class OfWidth>
  [[nodiscard]] double sum(const OfWidth& of_width) const {
    std::uint64_t others = weights;
    double all = 0;
    for (const auto& [name, one] : linears) {
      all += static_cast<double>(one.weights) * of_width(one.bits);
      others -= one.weights;
    }
    return all + static_cast<double>(others) * of_width(bits);
  }
};

/// `layers` has one entry for each layer, in order.
struct BitPlan {
  ModelFacts model;
  std::string ranking = "by hand";  ///< what ordered the layers, e.g. "score"
  Budget budget;
  std::vector<int> choices;         ///< ascending
  std::uint64_t group_size = 64;
  bool k_blocks = false;            ///< codes lie in K blocks of GGUF (2, 3 and 4 bits); group_size is then 256
  double rest_bits = 16;            ///< width of embeddings, norms and the head
  std::vector<LayerPlan> layers;
};

inline constexpr std::uint64_t kMostGroupSize = 4096, kKBlockSize = 256;

/// Widths a plan may hold: codes of 2, 3, 4 or 8 bits, or 16 for a layer left in half precision.
[[nodiscard]] bool is_width(int bits);
/// Bits beside the codes that a group takes: a float16 scale and a zero point of `bits`; in K blocks of 256 weights the
/// scales, minima and their factors: 160, 112 and 128 at 2, 3 and 4 bits; 16 bits have none.
[[nodiscard]] std::uint64_t group_overhead(int bits, bool k_blocks);
/// bits + group_overhead / group_size (docs: bits per weight).
[[nodiscard]] double true_bits(int bits, std::uint64_t group_size, bool k_blocks = false);

/// What a plan costs.
struct PlanSize {
  double code_bits = 0, true_bits = 0;  ///< means over the layers' linears
  double bytes = 0;                     ///< whole model: linears at true bits, the rest at rest_bits
  double compression = 0;               ///< 16 sum N_l / sum b_l N_l (Eq. 12), of code bits
  double unspent_bits = 0;  ///< budget less cost, in bits of all layers together; negative: over budget; 0 for kTop
};
[[nodiscard]] PlanSize size_of(const BitPlan& plan);

[[nodiscard]] Json to_json(const BitPlan& plan);
/// Errors: kInvalidFormat naming `place` and the field: a layer that the model has not, is named twice or is missing; a
/// width that is none.
[[nodiscard]] Result<BitPlan> bit_plan_from_json(const Json& json, const std::string& place);

}  // namespace lieq
