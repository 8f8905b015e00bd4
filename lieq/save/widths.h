#pragma once
/// How wide the linears of a model are, and the shortest rules that say so by layer (internal to save/: the
/// configurations of exported folders are made of it).

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/model/model.h"

namespace lieq::save {

struct Width {
  unsigned bits = 0;
  std::size_t group_size = 0;  ///< 0: one group per row
  bool symmetric = false;      ///< every zero point is 2^(bits-1)

  auto operator<=>(const Width&) const = default;
};

struct WidthGroup {
  Width width;
  std::vector<std::string> modules;  ///< "model.layers.3.mlp.up_proj", in the order of the table
  /// Matches these modules and no other linears, from the start of a name. Whole layers are named by their index alone,
  /// since vLLM and SGLang match rules against fused modules.
  std::string pattern;
};

struct Widths {
  std::vector<WidthGroup> groups;  ///< of the quantised linears, the commonest first
  std::vector<std::string> dense;  ///< linears that are not quantised
};

/// A module of a layer: "model.layers.3.mlp.up_proj".
struct Member {
  std::size_t layer;
  std::string name;
};

/// WidthGroup::pattern of `members`, in a model of so many layers and modules in each.
[[nodiscard]] std::string pattern_of(const std::vector<Member>& members, std::size_t layers, std::size_t modules);

/// Of a model that passed check_codes().
[[nodiscard]] Widths widths_of(const model::Model& model);

/// What a container can hold of a linear's codes.
struct CodeLimits {
  std::string_view target;      ///< for messages
  bool halves = false;          ///< zero points between the codes
  bool minima = false;          ///< scale * code + minimum
  bool any_order = false;       ///< groups in order of activation
  bool only_symmetric = false;  ///< zero point 2^(bits-1)
  std::vector<unsigned> bits = {2, 3, 4, 8};
  std::string_view nearest = {};  ///< what to do about a zero point that does not fit
};

/// Whether all linears that have codes keep within the limits, and at least one has codes. Errors: kUnsupported, naming
/// the tensor, what it holds, what the container holds and the nearest that would do.
[[nodiscard]] Result<void> check_codes(const model::Model& model, const CodeLimits& limits);

}  // namespace lieq::save
