/// quantization_config of GPTQ folders and of AutoRound's, whose tensors are GPTQ's or AWQ's.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/quantization_readers.h"

namespace lieq::model {
namespace {

constexpr unsigned kDense = 16;  // AutoRound: this many bits or more are no quantisation

Result<pack::ZeroFormat> read_zero_format(const Fields& fields) {
  LIEQ_ASSIGN(auto format, fields.string("checkpoint_format"));
  if (!format) {
    LIEQ_ASSIGN(format, fields.string("format"));
  }
  if (!format || *format == "gptq" || *format == kBlocksCheckpointFormat) return pack::ZeroFormat::kV1;
  if (*format == "gptq_v2" || *format == kBlocksV2CheckpointFormat) return pack::ZeroFormat::kV2;
  if (*format == kHalfCheckpointFormat) return pack::ZeroFormat::kHalf;
  return unsupported(fields.place(), "checkpoint_format", in_quotes(*format),
                     fmt::format("one of gptq, gptq_v2, {}, {}, {}", kHalfCheckpointFormat, kBlocksCheckpointFormat,
                                 kBlocksV2CheckpointFormat));
}

/// {"model.embed_tokens": "Q8_0", ...}
Result<std::map<std::string, DType>> read_blocks(const Json& json, const std::string& place) {
  constexpr DType kTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K,
                              DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kQ2_0};
  std::map<std::string, DType> blocks;
  if (!json.is_object())
    return fail(
        ErrorCode::kInvalidFormat,
        fmt::format("{}: field 'blocks': found {}, expected an object of modules and block types", place, brief(json)));
  for (const auto& [module, value] : json.items()) {
    const std::string given = value.is_string() ? value.get<std::string>() : "";
    const auto* type = std::ranges::find_if(kTypes, [&](DType one) { return given == lieq::name(one); });
    if (type == std::end(kTypes))
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: blocks: field {}: found {}, expected a block type as Q8_0", place, in_quotes(module),
                              brief(value)));
    blocks.emplace(module, *type);
  }
  return blocks;
}

/// A rule of `dynamic`: "+:REGEX" or "REGEX" overrides, "-:REGEX" leaves modules as they were.
Result<QuantizationRule> read_dynamic_rule(const std::string& key, const Json& overrides,
                                           const LinearQuantization& defaults, const std::string& place) {
  const bool excluded = key.starts_with("-:");
  LIEQ_ASSIGN(ModulePattern pattern, ModulePattern::regex(excluded || key.starts_with("+:") ? key.substr(2) : key,
                                                          ModulePattern::Find::kAtStart, place));
  if (excluded) return QuantizationRule{std::move(pattern), std::nullopt};
  const Fields fields(overrides, fmt::format("{}: rule {}", place, in_quotes(key)));
  LIEQ_ASSIGN(const LinearQuantization how, with_overrides(defaults, fields));
  return QuantizationRule{std::move(pattern), how};
}

Result<LinearQuantization> read_defaults(const Fields& fields) {
  LinearQuantization how;
  LIEQ_ASSIGN(const std::uint64_t bits, fields.required_count("bits"));
  LIEQ_ASSIGN(how.bits, check_bits(bits, fields.place()));
  LIEQ_ASSIGN(const auto group_size, integer(fields, "group_size"));
  LIEQ_ASSIGN(how.group_size, check_group_size(group_size.value_or(128), fields.place()));
  return how;
}

Result<std::vector<QuantizationRule>> read_dynamic(const ConfigBlock& block, const LinearQuantization& defaults) {
  std::vector<QuantizationRule> rules;
  LIEQ_ASSIGN(const auto dynamic, block.block("dynamic"));
  if (!dynamic) return rules;
  for (const auto& [key, value] : dynamic->ordered.items()) {
    LIEQ_ASSIGN(QuantizationRule rule, read_dynamic_rule(key, dynamic->json[key], defaults, dynamic->place));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Result<LinearQuantization> read_packing(const Fields& fields, LinearQuantization how) {
  LIEQ_ASSIGN(const auto packing, fields.string("packing_format"));
  const std::string format = packing.value_or("auto");
  if (format == "auto_round:auto_awq" || format == "auto_round:awq") {
    how.container = Container::kAwq;
  } else if (format == "auto_round:auto_gptq" || format == "auto_round:gptq" || format == "auto") {
    how.zeros = pack::ZeroFormat::kV1;
  } else if (format == "auto_round" || format == "auto_round:gptqmodel") {
    how.zeros = pack::ZeroFormat::kV2;
  } else {
    return unsupported(fields.place(), "packing_format", in_quotes(format),
                       "one of auto_round:auto_gptq, auto_round:gptqmodel, auto_round:auto_awq, auto_round");
  }
  if (how.container == Container::kAwq && how.bits != 4)
    return unsupported(fields.place(), "bits", fmt::format("{}", how.bits), "4 with auto_round:auto_awq");
  return how;
}

/// A key of extra_config: a module's name, or a regular expression.
Result<QuantizationRule> read_extra(const std::string& key, const Json& value, const LinearQuantization& defaults,
                                    bool exact, const std::string& place) {
  const Fields fields(value, fmt::format("{}: {}", place, in_quotes(key)));
  ModulePattern pattern = ModulePattern::exact(key);
  if (!exact) {
    LIEQ_ASSIGN(pattern, ModulePattern::regex(key, ModulePattern::Find::kAnywhere, place));
  }
  LIEQ_ASSIGN(const auto bits, fields.count("bits"));
  if (bits.value_or(0) >= kDense) return QuantizationRule{std::move(pattern), std::nullopt};
  LIEQ_ASSIGN(const LinearQuantization how, with_overrides(defaults, fields));
  return QuantizationRule{std::move(pattern), how};
}

Result<void> refuse_rounded_activations(const Fields& fields) {
  LIEQ_ASSIGN(const auto type, fields.string("data_type"));
  if (type.value_or("int") != "int") return unsupported(fields.place(), "data_type", in_quotes(*type), "'int'");
  LIEQ_ASSIGN(const auto act_bits, fields.count("act_bits"));
  if (act_bits.value_or(kDense) < kDense)
    return unsupported(fields.place(), "act_bits", fmt::format("{}", *act_bits), "16 (activations as they are)");
  return {};
}

}  // namespace

Result<QuantizationConfig> read_gptq_config(const ConfigBlock& block) {
  const Fields fields = block.fields();
  LIEQ_ASSIGN(const auto packed_as, fields.string("pack_dtype"));
  if (packed_as.value_or("int32") != "int32")
    return unsupported(fields.place(), "pack_dtype", in_quotes(*packed_as), "'int32'");
  LIEQ_ASSIGN(LinearQuantization defaults, read_defaults(fields));
  LIEQ_ASSIGN(defaults.zeros, read_zero_format(fields));
  LIEQ_ASSIGN(std::vector<QuantizationRule> rules, read_dynamic(block, defaults));
  std::map<std::string, DType> blocks;
  if (const Json* found = fields.find("blocks")) {
    LIEQ_ASSIGN(blocks, read_blocks(*found, fields.place()));
  }
  return QuantizationConfig(Container::kGptq, defaults, std::move(rules), std::move(blocks));
}

Result<QuantizationConfig> read_auto_round_config(const ConfigBlock& block) {
  const Fields fields = block.fields();
  LIEQ_TRY(refuse_rounded_activations(fields));
  LIEQ_ASSIGN(LinearQuantization defaults, read_defaults(fields));
  LIEQ_ASSIGN(defaults, read_packing(fields, defaults));
  std::vector<QuantizationRule> rules;
  LIEQ_ASSIGN(const auto extra, block.block("extra_config"));
  if (extra) {
    // A name that is written out wins over every expression.
    for (const bool exact : {true, false})
      for (const auto& [key, value] : extra->ordered.items()) {
        LIEQ_ASSIGN(QuantizationRule rule, read_extra(key, extra->json[key], defaults, exact, extra->place));
        rules.push_back(std::move(rule));
      }
  }
  LIEQ_ASSIGN(std::vector<QuantizationRule> dynamic, read_dynamic(block, defaults));
  for (QuantizationRule& rule : dynamic) rules.push_back(std::move(rule));
  return QuantizationConfig(defaults.container, defaults, std::move(rules));
}

}  // namespace lieq::model
