/// quantization_config of compressed-tensors: groups of modules by name, expression or class, each with a scheme.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/quantization_readers.h"

namespace lieq::model {
namespace {

constexpr const char* kFormat = "pack-quantized";

Result<void> expect_nothing(const Fields& fields, const char* key) {
  const Json* value = fields.find(key);
  if (!value || (value->is_object() && value->empty())) return {};
  return unsupported(fields.place(), key, brief(*value), "null");
}

Result<void> check_format(const Fields& fields, bool may_be_mixed) {
  LIEQ_ASSIGN(const auto format, fields.string("format"));
  if (!format || *format == kFormat || (may_be_mixed && *format == "mixed-precision")) return {};
  return unsupported(fields.place(), "format", in_quotes(*format), fmt::format("'{}'", kFormat));
}

Result<void> read_strategy(const Fields& weights, LinearQuantization& how) {
  LIEQ_ASSIGN(const auto group_size, integer(weights, "group_size"));
  LIEQ_ASSIGN(const auto named, weights.string("strategy"));
  const std::string strategy = named.value_or(group_size.value_or(-1) > 0 ? "group" : "channel");
  if (strategy == "group") {
    LIEQ_ASSIGN(how.group_size, check_group_size(group_size.value_or(0), weights.place()));
  } else if (strategy == "channel" || strategy == "tensor") {
    how.group_size = 0;
    how.one_scale = strategy == "tensor";
  } else {
    return unsupported(weights.place(), "strategy", in_quotes(strategy), "one of group, channel, tensor");
  }
  return {};
}

/// The scheme of one group. Widths other than ours are kept in the next larger one.
Result<LinearQuantization> read_scheme(const ConfigBlock& group) {
  LIEQ_TRY(check_format(group.fields(), false));
  LIEQ_TRY(expect_nothing(group.fields(), "input_activations"));
  LIEQ_TRY(expect_nothing(group.fields(), "output_activations"));
  LIEQ_ASSIGN(const auto block, group.block("weights"));
  if (!block) return fail(ErrorCode::kInvalidFormat, group.place + ": field 'weights': missing, expected an object");
  const Fields weights = block->fields();
  LinearQuantization how{.container = Container::kCompressedTensors};
  LIEQ_ASSIGN(const std::uint64_t bits, weights.required_count("num_bits"));
  if (bits < 1 || bits > 8) return unsupported(weights.place(), "num_bits", fmt::format("{}", bits), "1 to 8");
  how.bits = static_cast<unsigned>(bits);
  LIEQ_ASSIGN(const auto type, weights.string("type"));
  if (type.value_or("int") != "int") return unsupported(weights.place(), "type", in_quotes(*type), "'int'");
  LIEQ_ASSIGN(const auto symmetric, weights.boolean("symmetric"));
  how.symmetric = symmetric.value_or(true);
  LIEQ_TRY(read_strategy(weights, how));
  return how;
}

Result<ModulePattern> read_target(const std::string& target, const std::string& place) {
  if (target.starts_with("re:")) return ModulePattern::regex(target.substr(3), ModulePattern::Find::kAtStart, place);
  if (target == "Linear") return ModulePattern::of_class(ModuleClass::kLinear);
  if (target == "Embedding") return ModulePattern::of_class(ModuleClass::kEmbedding);
  return ModulePattern::exact(target);
}

/// The order in which the reference tries targets: names, expressions, classes; each by the alphabet.
int rank(const std::string& target) {
  if (target == "Linear" || target == "Embedding") return 2;
  return target.find("re:") != std::string::npos ? 1 : 0;
}

}  // namespace

Result<QuantizationConfig> read_compressed_tensors_config(const ConfigBlock& block) {
  const Fields fields = block.fields();
  LIEQ_TRY(check_format(fields, true));
  // Until it is compressed, weights lie there as they were and are rounded anew with every use.
  LIEQ_ASSIGN(const auto status, fields.string("quantization_status"));
  if (status.value_or("compressed") != "compressed")
    return unsupported(fields.place(), "quantization_status", in_quotes(*status), "'compressed'");
  LIEQ_TRY(expect_nothing(fields, "kv_cache_scheme"));
  LIEQ_TRY(expect_nothing(fields, "transform_config"));
  LIEQ_ASSIGN(const auto sparsity, block.block("sparsity_config"));
  if (sparsity) {
    LIEQ_ASSIGN(const auto format, sparsity->fields().string("format"));
    if (format.value_or("dense") != "dense")
      return unsupported(sparsity->place, "format", in_quotes(*format), "'dense'");
  }
  LIEQ_ASSIGN(const auto groups, block.block("config_groups"));
  if (!groups)
    return fail(ErrorCode::kInvalidFormat, block.place + ": field 'config_groups': missing, expected an object");

  std::vector<QuantizationRule> rules;
  LIEQ_ASSIGN(const auto ignored, strings(fields, "ignore"));
  for (const std::string& target : ignored) {
    LIEQ_ASSIGN(ModulePattern pattern, read_target(target, block.place + ": ignore"));
    rules.push_back({std::move(pattern), std::nullopt});
  }
  std::map<std::pair<int, std::string>, LinearQuantization> schemes;  // a target named twice has its last scheme
  for (const auto& [key, value] : groups->ordered.items()) {
    LIEQ_ASSIGN(const auto group, groups->block(key));
    if (!group) continue;
    LIEQ_ASSIGN(const LinearQuantization how, read_scheme(*group));
    LIEQ_ASSIGN(const auto targets, strings(group->fields(), "targets"));
    for (const std::string& target : targets) schemes[{rank(target), target}] = how;
  }
  for (const auto& [target, how] : schemes) {
    LIEQ_ASSIGN(ModulePattern pattern, read_target(target.second, groups->place));
    rules.push_back({std::move(pattern), how});
  }
  return QuantizationConfig(Container::kCompressedTensors, std::nullopt, std::move(rules));
}

}  // namespace lieq::model
