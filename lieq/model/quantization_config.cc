#include "lieq/model/quantization_config.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/io/atomic_file.h"
#include "lieq/base/message.h"
#include "lieq/model/config_check.h"

namespace lieq::model {
namespace {

constexpr std::size_t kMostGroupSize = std::size_t{1} << 20;

Result<unsigned> check_bits(std::uint64_t bits, const std::string& place) {
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    return unsupported(place, "bits", fmt::format("{}", bits), "2, 3, 4 or 8");
  return static_cast<unsigned>(bits);
}

/// -1 means one group per row, kept as 0.
Result<std::size_t> check_group_size(std::int64_t size, const std::string& place) {
  if (size == -1) return std::size_t{0};
  if (size < 1 || static_cast<std::uint64_t>(size) > kMostGroupSize)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field 'group_size': found {}, expected -1 or a positive number", place, size));
  return static_cast<std::size_t>(size);
}

Result<std::optional<std::int64_t>> integer(const Fields& fields, const char* key) {
  const Json* value = fields.find(key);
  if (!value) return std::nullopt;
  if (!value->is_number_integer())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected an integer", fields.place(), key, brief(*value)));
  return value->get<std::int64_t>();
}

/// {"model.embed_tokens": "Q8_0", ...}
Result<std::map<std::string, DType>> read_blocks(const Json& json, const std::string& place) {
  constexpr DType kTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ2_K,
                              DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kQ2_0};
  std::map<std::string, DType> blocks;
  if (!json.is_object())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field 'blocks': found {}, expected an object of modules and block types", place,
                            brief(json)));
  for (const auto& [module, value] : json.items()) {
    const auto* type = std::ranges::find_if(
        kTypes, [&](DType one) { return value.is_string() && value.get<std::string>() == lieq::name(one); });
    if (type == std::end(kTypes))
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: blocks: field {}: found {}, expected a block type as Q8_0", place, in_quotes(module),
                              brief(value)));
    blocks.emplace(module, *type);
  }
  return blocks;
}

}  // namespace

Result<QuantizationConfig::Rule> QuantizationConfig::read_rule(const std::string& key, const Json& overrides,
                                                               const std::string& place) {
  Rule rule;
  rule.excluded = key.starts_with("-:");
  const std::string pattern = key.starts_with("-:") || key.starts_with("+:") ? key.substr(2) : key;
  try {
    rule.pattern = std::regex(pattern, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error&) {
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: found rule '{}', expected a regular expression", place, key));
  }
  const Fields fields(overrides, fmt::format("{}: rule '{}'", place, key));
  LIEQ_ASSIGN(rule.bits, fields.count("bits"));
  if (rule.bits) {
    LIEQ_TRY(check_bits(*rule.bits, fields.place()));
  }
  LIEQ_ASSIGN(rule.group_size, integer(fields, "group_size"));
  if (rule.group_size) {
    LIEQ_TRY(check_group_size(*rule.group_size, fields.place()));
  }
  return rule;
}

Result<std::optional<QuantizationConfig>> QuantizationConfig::read(const std::filesystem::path& config_file) {
  LIEQ_ASSIGN(const std::string text, io::read_file(config_file));
  LIEQ_ASSIGN(const Json json, parse_json(text, config_file.string()));
  const Json* quantization = Fields(json, config_file.string()).find("quantization_config");
  if (!quantization) return std::nullopt;
  // The first matching rule wins, so the order in the file counts; only this second parser keeps it.
  std::vector<std::string> rule_order;
  const auto ordered = nlohmann::ordered_json::parse(text, nullptr, false);
  const auto pointer = nlohmann::ordered_json::json_pointer("/quantization_config/dynamic");
  if (ordered.contains(pointer) && ordered[pointer].is_object())
    for (const auto& [key, overrides] : ordered[pointer].items()) rule_order.push_back(key);
  LIEQ_ASSIGN(QuantizationConfig config, from_json(*quantization, rule_order, config_file.string()));
  return config;
}

Result<QuantizationConfig> QuantizationConfig::from_json(const Json& json, const std::vector<std::string>& rule_order,
                                                         const std::string& place) {
  const std::string where = place + ": quantization_config";
  const Fields fields(json, where);
  QuantizationConfig config;
  LIEQ_ASSIGN(const auto method, fields.string("quant_method"));
  if (method != "gptq") return unsupported(where, "quant_method", in_quotes(method.value_or("nothing")), "'gptq'");
  LIEQ_ASSIGN(auto format, fields.string("checkpoint_format"));
  if (!format) {
    LIEQ_ASSIGN(format, fields.string("format"));
  }
  if (!format || *format == "gptq" || *format == kBlocksCheckpointFormat) {
    config.zero_format_ = pack::ZeroFormat::kV1;
  } else if (*format == "gptq_v2" || *format == kBlocksV2CheckpointFormat) {
    config.zero_format_ = pack::ZeroFormat::kV2;
  } else if (*format == kHalfCheckpointFormat) {
    config.zero_format_ = pack::ZeroFormat::kHalf;
  } else {
    return unsupported(where, "checkpoint_format", in_quotes(*format),
                       fmt::format("one of gptq, gptq_v2, {}, {}, {}", kHalfCheckpointFormat, kBlocksCheckpointFormat,
                                   kBlocksV2CheckpointFormat));
  }
  LIEQ_ASSIGN(const auto packed_as, fields.string("pack_dtype"));
  if (packed_as.value_or("int32") != "int32") return unsupported(where, "pack_dtype", in_quotes(*packed_as), "'int32'");
  LIEQ_ASSIGN(const auto head, fields.boolean("lm_head"));
  if (head.value_or(false)) return unsupported(where, "lm_head", "true", "false");
  LIEQ_ASSIGN(const std::uint64_t bits, fields.required_count("bits"));
  LIEQ_ASSIGN(config.defaults_.bits, check_bits(bits, where));
  LIEQ_ASSIGN(const auto group_size, integer(fields, "group_size"));
  LIEQ_ASSIGN(config.defaults_.group_size, check_group_size(group_size.value_or(128), where));
  if (const Json* blocks = fields.find("blocks")) {
    LIEQ_ASSIGN(config.blocks_, read_blocks(*blocks, where));
  }
  if (const Json* rules = fields.find("dynamic")) {
    if (!rules->is_object())
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: field 'dynamic': found {}, expected an object", where, brief(*rules)));
    for (const std::string& key : rule_order) {
      LIEQ_ASSIGN(Rule rule, read_rule(key, (*rules)[key], where + ": dynamic"));
      config.rules_.push_back(std::move(rule));
    }
  }
  return config;
}

std::optional<LinearQuantization> QuantizationConfig::find(const std::string& module) const {
  LinearQuantization found = defaults_;
  for (const Rule& rule : rules_) {
    if (!std::regex_search(module, rule.pattern, std::regex_constants::match_continuous)) continue;
    if (rule.excluded) return std::nullopt;
    if (rule.bits) found.bits = static_cast<unsigned>(*rule.bits);
    if (rule.group_size) found.group_size = *rule.group_size == -1 ? 0 : static_cast<std::size_t>(*rule.group_size);
    break;
  }
  return found;
}

std::optional<DType> QuantizationConfig::block_type(const std::string& module) const {
  const auto found = blocks_.find(module);
  if (found == blocks_.end()) return std::nullopt;
  return found->second;
}

}  // namespace lieq::model
