#pragma once
/// Readers of the quantization_config of each method (internal to model/). `json` keeps the order of its keys, since
/// the first matching rule wins; `place` opens error messages, "FOLDER/config.json: quantization_config".

#include <cstdint>
#include <optional>
#include <string>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/model/quantization_config.h"

namespace lieq::model {

/// One object of the configuration: typed fields, and its keys in the order of the file.
struct ConfigBlock {
  const OrderedJson& ordered;
  Json json;
  std::string place;

  ConfigBlock(const OrderedJson& object, std::string where)
      : ordered(object), json(Json::parse(object.dump())), place(std::move(where)) {}
  [[nodiscard]] Fields fields() const { return {json, place}; }
  /// An object or nothing. Errors: kInvalidFormat for anything else.
  [[nodiscard]] Result<std::optional<ConfigBlock>> block(const std::string& key) const;
};

[[nodiscard]] Result<QuantizationConfig> read_gptq_config(const ConfigBlock& block);
[[nodiscard]] Result<QuantizationConfig> read_auto_round_config(const ConfigBlock& block);
[[nodiscard]] Result<QuantizationConfig> read_awq_config(const ConfigBlock& block);
[[nodiscard]] Result<QuantizationConfig> read_compressed_tensors_config(const ConfigBlock& block);
[[nodiscard]] Result<QuantizationConfig> read_mlx_config(const ConfigBlock& block);

/// Errors: kUnsupported naming `place` for anything but 2, 3, 4 or 8.
[[nodiscard]] Result<unsigned> check_bits(std::uint64_t bits, const std::string& place);
/// -1 means one group per row, kept as 0.
[[nodiscard]] Result<std::size_t> check_group_size(std::int64_t size, const std::string& place);
[[nodiscard]] Result<std::optional<std::int64_t>> integer(const Fields& fields, const char* key);
/// `how` with the fields "bits" and "group_size" of `fields` where they are given.
[[nodiscard]] Result<LinearQuantization> with_overrides(LinearQuantization how, const Fields& fields);
/// A list of strings, or null. Errors: kInvalidFormat.
[[nodiscard]] Result<std::vector<std::string>> strings(const Fields& fields, const char* key);

}  // namespace lieq::model
