/// The quantization block of MLX: defaults, and modules by name with widths of their own or false.

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/quantization_readers.h"

namespace lieq::model {
namespace {

Result<LinearQuantization> read_widths(const Fields& fields, LinearQuantization how) {
  LIEQ_ASSIGN(const auto mode, fields.string("mode"));
  if (mode.value_or("affine") != "affine") return unsupported(fields.place(), "mode", in_quotes(*mode), "'affine'");
  LIEQ_ASSIGN(const auto bits, fields.count("bits"));
  const std::uint64_t width = bits.value_or(how.bits);
  if (width < 2 || width == 7 || width > 8)
    return unsupported(fields.place(), "bits", fmt::format("{}", width), "2, 3, 4, 5, 6 or 8");
  how.bits = static_cast<unsigned>(width);
  LIEQ_ASSIGN(const auto group_size, integer(fields, "group_size"));
  if (group_size) {
    LIEQ_ASSIGN(how.group_size, check_group_size(*group_size, fields.place()));
  }
  return how;
}

}  // namespace

Result<QuantizationConfig> read_mlx_config(const ConfigBlock& block) {
  LIEQ_ASSIGN(LinearQuantization defaults,
              read_widths(block.fields(), {.container = Container::kMlx, .bits = 4, .group_size = 64}));
  std::vector<QuantizationRule> rules;
  for (const auto& [key, value] : block.ordered.items()) {
    const bool left = value.is_boolean() && !value.template get<bool>();
    if (left) rules.push_back({ModulePattern::exact(key), std::nullopt});
    if (!value.is_object()) continue;
    const Json overrides = block.json[key];
    LIEQ_ASSIGN(const LinearQuantization how,
                read_widths(Fields(overrides, block.place + ": " + in_quotes(key)), defaults));
    rules.push_back({ModulePattern::exact(key), how});
  }
  defaults.by_shape = true;
  return QuantizationConfig(Container::kMlx, defaults, std::move(rules));
}

}  // namespace lieq::model
