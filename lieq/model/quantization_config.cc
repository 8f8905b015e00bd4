#include "lieq/model/quantization_config.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/base/message.h"
#include "lieq/io/atomic_file.h"
#include "lieq/model/config_check.h"
#include "lieq/model/quantization_readers.h"

namespace lieq::model {
namespace {

constexpr std::size_t kMostGroupSize = std::size_t{1} << 20;

Result<QuantizationConfig> read_method(const ConfigBlock& block) {
  LIEQ_ASSIGN(const auto method, block.fields().string("quant_method"));
  if (!method) {
    // MLX repeats its own block here; AutoGPTQ's quantize_config.json and AutoAWQ's first files name no method either.
    if (block.fields().find("mode")) return read_mlx_config(block);
    if (block.fields().find("w_bit") || block.fields().find("zero_point")) return read_awq_config(block);
    if (block.fields().find("bits")) return read_gptq_config(block);
  }
  if (method == "gptq") return read_gptq_config(block);
  if (method == "awq") return read_awq_config(block);
  if (method == "compressed-tensors") return read_compressed_tensors_config(block);
  // intel/auto-round is the name that the tool's first versions wrote.
  if (method == "auto-round" || method == "intel/auto-round") return read_auto_round_config(block);
  return unsupported(block.place, "quant_method", in_quotes(method.value_or("nothing")),
                     "one of gptq, awq, compressed-tensors, auto-round");
}

Result<OrderedJson> read_ordered(const std::filesystem::path& file) {
  LIEQ_ASSIGN(const std::string text, io::read_file(file));
  return parse_ordered_json(text, file.string());
}

/// The rules of a folder are a stranger's: work and memory are bounded.
bool regex_matches(const pcre2_code* regex, const std::string& text, bool at_start) {
  constexpr std::uint32_t kMostSteps = 1'000'000, kMostKibibytes = 20'000;
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(pcre2_match_data_create(1, nullptr),
                                                                                 pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  LIEQ_CHECK(data && context);
  pcre2_set_match_limit(context.get(), kMostSteps);
  pcre2_set_heap_limit(context.get(), kMostKibibytes);
  return pcre2_match(regex, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, at_start ? PCRE2_ANCHORED : 0,
                     data.get(), context.get()) >= 0;
}

}  // namespace

std::string_view name(Container container) {
  switch (container) {
    case Container::kGptq: return "GPTQ";
    case Container::kAwq: return "AWQ";
    case Container::kCompressedTensors: return "compressed-tensors";
    case Container::kMlx: return "MLX";
  }
  LIEQ_CHECK(false);
}

ModulePattern ModulePattern::of_class(ModuleClass which) {
  ModulePattern pattern(Kind::kClass, {});
  pattern.class_ = which;
  return pattern;
}

Result<ModulePattern> ModulePattern::regex(const std::string& text, Find find, const std::string& place) {
  ModulePattern pattern(Kind::kRegex, text);
  pattern.find_ = find;
  int error = 0;
  PCRE2_SIZE offset = 0;
  pattern.regex_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                     PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr),
                       pcre2_code_free);
  if (!pattern.regex_)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: found rule {}, expected a regular expression", place, in_quotes(text)));
  return pattern;
}

bool ModulePattern::matches(const std::string& module, ModuleClass which) const {
  switch (kind_) {
    case Kind::kExact: return module == text_;
    case Kind::kClass: return which == class_;
    case Kind::kRegex: return regex_matches(regex_.get(), module, find_ == Find::kAtStart);
  }
  LIEQ_CHECK(false);
}

Result<std::optional<ConfigBlock>> ConfigBlock::block(const std::string& key) const {
  const auto found = ordered.find(key);
  if (found == ordered.end() || found->is_null()) return std::nullopt;
  if (!found->is_object())
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected an object", place, printable(key), brief(json[key])));
  return ConfigBlock(*found, place + ": " + printable(key));
}

Result<unsigned> check_bits(std::uint64_t bits, const std::string& place) {
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    return unsupported(place, "bits", fmt::format("{}", bits), "2, 3, 4 or 8");
  return static_cast<unsigned>(bits);
}

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

Result<LinearQuantization> with_overrides(LinearQuantization how, const Fields& fields) {
  LIEQ_ASSIGN(const auto bits, fields.count("bits"));
  if (bits) {
    LIEQ_ASSIGN(how.bits, check_bits(*bits, fields.place()));
  }
  LIEQ_ASSIGN(const auto group_size, integer(fields, "group_size"));
  if (group_size) {
    LIEQ_ASSIGN(how.group_size, check_group_size(*group_size, fields.place()));
  }
  return how;
}

Result<std::vector<std::string>> strings(const Fields& fields, const char* key) {
  std::vector<std::string> all;
  const Json* list = fields.find(key);
  if (!list) return all;
  const bool good = list->is_array() && std::ranges::all_of(*list, [](const Json& one) { return one.is_string(); });
  if (!good)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected a list of strings", fields.place(), key, brief(*list)));
  for (const Json& one : *list) all.push_back(one.get<std::string>());
  return all;
}

Result<std::optional<QuantizationConfig>> QuantizationConfig::read(const std::filesystem::path& config_file) {
  LIEQ_ASSIGN(const OrderedJson config, read_ordered(config_file));
  const ConfigBlock whole(config, config_file.string());
  // MLX's own block comes first: some of its folders keep the record of an earlier quantisation beside it.
  const Json* mlx = whole.fields().find("quantization");
  if (mlx && mlx->is_object()) {
    LIEQ_ASSIGN(QuantizationConfig read, read_mlx_config({config["quantization"], whole.place + ": quantization"}));
    return read;
  }
  LIEQ_ASSIGN(const auto block, whole.block("quantization_config"));
  if (block) {
    LIEQ_ASSIGN(QuantizationConfig read, read_method(*block));
    return read;
  }
  for (const char* older : {"quantize_config.json", "quant_config.json"}) {
    const std::filesystem::path file = config_file.parent_path() / older;
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) continue;
    LIEQ_ASSIGN(const OrderedJson json, read_ordered(file));
    LIEQ_ASSIGN(QuantizationConfig read, read_method({json, file.string()}));
    return read;
  }
  return std::nullopt;
}

std::optional<LinearQuantization> QuantizationConfig::find(const std::string& module, ModuleClass which) const {
  for (const QuantizationRule& rule : rules_)
    if (rule.pattern.matches(module, which)) return rule.how;
  return defaults_;
}

std::optional<DType> QuantizationConfig::block_type(const std::string& module) const {
  const auto found = blocks_.find(module);
  if (found == blocks_.end()) return std::nullopt;
  return found->second;
}

}  // namespace lieq::model
