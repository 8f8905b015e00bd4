/// quantization_config of AWQ folders: AutoAWQ's, GPTQModel's, and the quant_config.json of AutoAWQ's first versions.

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/quantization_readers.h"

namespace lieq::model {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

Result<QuantizationConfig> read_awq_config(const ConfigBlock& block) {
  const Fields fields = block.fields();
  const char* version_key = fields.find("version") ? "version" : "format";
  LIEQ_ASSIGN(const auto version, fields.string(version_key));
  if (lower(version.value_or("gemm")) != "gemm")
    return unsupported(fields.place(), version_key, in_quotes(*version), "'gemm'");
  const char* bits_key = fields.find("w_bit") ? "w_bit" : "bits";
  LIEQ_ASSIGN(const std::uint64_t bits, fields.required_count(bits_key));
  if (bits != 4) return unsupported(fields.place(), bits_key, fmt::format("{}", bits), "4, all that AWQ packs");
  LinearQuantization how{.container = Container::kAwq};
  LIEQ_ASSIGN(const auto group_size, integer(fields, fields.find("q_group_size") ? "q_group_size" : "group_size"));
  LIEQ_ASSIGN(how.group_size, check_group_size(group_size.value_or(128), fields.place()));
  // modules_to_not_convert holds parts of names, which versions match differently; the tensors tell as well.
  return QuantizationConfig(Container::kAwq, how, {});
}

}  // namespace lieq::model
