#pragma once
/// The quantization_config object of config.json, as GPTQModel, vLLM and SGLang read it.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/json.h"
#include "lieq/pack/gptq.h"
#include "lieq/save/widths.h"

namespace lieq::save {

struct GptqFacts {
  unsigned bits = 4;                   ///< of modules that no rule names
  std::size_t group_size = 64;         ///< 0: one group per row
  bool symmetric = false;              ///< every zero point is 2^(bits-1)
  bool desc_act = false;               ///< groups are not consecutive columns
  pack::ZeroFormat zeros = pack::ZeroFormat::kV2;
  std::optional<double> damp_percent;  ///< nothing: not known
  std::string quantizer;               ///< "lieq:0.1.0"
};

/// The object without rules.
[[nodiscard]] Json gptq_config(const GptqFacts& facts);

struct PackingFacts {
  std::map<unsigned, std::vector<Member>> members;  ///< width -> the modules that have it
  std::size_t layers = 0, modules = 0;              ///< of the model, of a layer
  std::size_t group_size = 64;       ///< 0: one group per row
  bool symmetric = false;            ///< every zero point is 2^(bits-1)
  bool desc_act = false;             ///< groups are not consecutive columns
  pack::ZeroFormat zeros = pack::ZeroFormat::kV2;
  double damp_percent = 0.01;
  std::string quantizer;             ///< "lieq:0.1.0"
  std::map<std::string, DType> blocks;  ///< embedding and head by module where they are saved in blocks
};

/// The width most modules have is the default; the others get one rule per width, which names whole layers by their
/// index (WidthGroup::pattern).
[[nodiscard]] Json quantization_config(const PackingFacts& facts);

/// -1 for one group per row, which is kept as 0.
[[nodiscard]] int group_size_field(std::size_t group_size);

/// "gptq", "gptq_v2", or a name of lieq's own for half-integer zero points or an embedding in blocks.
[[nodiscard]] std::string checkpoint_format(pack::ZeroFormat zeros, bool has_blocks = false);

}  // namespace lieq::save
