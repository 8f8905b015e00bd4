#pragma once
/// The quantization_config of a GPTQ folder: which linear has how many bits (FORMATS of GPTQModel, section "dynamic").

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/pack/gptq.h"

namespace lieq::model {

/// The widths of one linear. group_size 0: one group per row.
struct LinearQuantization {
  unsigned bits = 4;
  std::size_t group_size = 128;
};

class QuantizationConfig {
 public:
  /// Reads config.json; nothing when it has no quantization_config. Errors, naming the file and the field: kUnsupported
  /// for another quant_method, checkpoint_format, pack_dtype or a quantised head; kInvalidFormat for wrong types,
  /// widths or rules.
  [[nodiscard]] static Result<std::optional<QuantizationConfig>> read(const std::filesystem::path& config_file);

  /// What holds for `module`, e.g. "model.layers.3.mlp.up_proj": the first matching rule over the defaults.
  /// Nothing: the module is not quantised.
  [[nodiscard]] std::optional<LinearQuantization> find(const std::string& module) const;
  [[nodiscard]] pack::ZeroFormat zero_format() const { return zero_format_; }
  /// The block type that `module`, the embedding or the head, is held in as MODULE.blocks; nothing: as a plain weight.
  [[nodiscard]] std::optional<DType> block_type(const std::string& module) const;

 private:
  struct Rule {
    std::regex pattern;  ///< matched from the start of the name, as Python's re.match
    bool excluded = false;
    std::optional<std::uint64_t> bits;
    std::optional<std::int64_t> group_size;
  };
  [[nodiscard]] static Result<QuantizationConfig> from_json(const Json& json,
                                                            const std::vector<std::string>& rule_order,
                                                            const std::string& place);
  [[nodiscard]] static Result<Rule> read_rule(const std::string& key, const Json& overrides, const std::string& place);

  LinearQuantization defaults_;
  pack::ZeroFormat zero_format_ = pack::ZeroFormat::kV1;
  std::map<std::string, DType> blocks_;
  std::vector<Rule> rules_;
};

/// The checkpoint_formats that other tools must not take for GPTQ's. Zero fields hold 2 z - 1:
inline constexpr const char* kHalfCheckpointFormat = "lieq_half";
/// Zero fields as in gptq and gptq_v2, but embedding or head are blocks, named in "blocks", and g_idx may be missing:
inline constexpr const char* kBlocksCheckpointFormat = "lieq_gptq";
inline constexpr const char* kBlocksV2CheckpointFormat = "lieq_gptq_v2";
/// What is appended to the name of a module that is held in blocks: U8 [rows, bytes of a row].
inline constexpr const char* kBlocksPart = ".blocks";

}  // namespace lieq::model
