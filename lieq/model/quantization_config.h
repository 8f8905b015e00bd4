#pragma once
/// Which linears of a Hugging Face folder are quantised, how, and in which container: the quantization_config of GPTQ
/// (GPTQModel, AutoGPTQ), AWQ, compressed-tensors and AutoRound, and the quantization block of MLX.
/// To add a container: a reader in quantization_NAME.cc, a line in read_method() and a reader of tensors in
/// packed_tensors.cc.

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/dtype.h"
#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/pack/gptq.h"

struct pcre2_real_code_8;

namespace lieq::model {

enum class Container { kGptq, kAwq, kCompressedTensors, kMlx };

/// "GPTQ", "AWQ", "compressed-tensors", "MLX"
[[nodiscard]] std::string_view name(Container container);

/// How one module is stored. group_size 0: one group per row.
struct LinearQuantization {
  Container container = Container::kGptq;
  pack::ZeroFormat zeros = pack::ZeroFormat::kV1;  ///< GPTQ
  unsigned bits = 4;                               ///< 1 to 8: compressed-tensors has all of them, others fewer
  std::size_t group_size = 128;
  bool symmetric = true;   ///< compressed-tensors: no zero points are stored
  bool one_scale = false;  ///< compressed-tensors, strategy "tensor": a single scale
  bool by_shape = false;   ///< MLX: nothing names the module, so shapes tell its widths
};

/// The class a module has in PyTorch, which some rules name.
enum class ModuleClass { kLinear, kEmbedding };

/// Which modules a rule speaks of.
class ModulePattern {
 public:
  [[nodiscard]] static ModulePattern exact(std::string name) { return {Kind::kExact, std::move(name)}; }
  [[nodiscard]] static ModulePattern of_class(ModuleClass which);
  enum class Find { kAtStart, kAnywhere };  ///< Python's re.match and re.search
  /// Read as PCRE2 reads it. Errors, naming `place`: kInvalidFormat when it is no regular expression.
  [[nodiscard]] static Result<ModulePattern> regex(const std::string& text, Find find, const std::string& place);

  /// A regular expression that would need too many steps for this name does not match.
  [[nodiscard]] bool matches(const std::string& module, ModuleClass which) const;

 private:
  enum class Kind { kExact, kClass, kRegex };
  ModulePattern(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}

  Kind kind_;
  std::string text_;
  std::shared_ptr<pcre2_real_code_8> regex_;
  Find find_ = Find::kAtStart;
  ModuleClass class_ = ModuleClass::kLinear;
};

/// Nothing in `how`: the modules are not quantised.
struct QuantizationRule {
  ModulePattern pattern;
  std::optional<LinearQuantization> how;
};

class QuantizationConfig {
 public:
  /// Reads config.json, or where that says nothing quantize_config.json or quant_config.json beside it, as older tools
  /// wrote them; nothing when there is none. Errors, naming the file and the field: kUnsupported for another method,
  /// format, packing or activations that are quantised too; kInvalidFormat for wrong types, widths or rules.
  [[nodiscard]] static Result<std::optional<QuantizationConfig>> read(const std::filesystem::path& config_file);

  /// What holds for `module`, e.g. "model.layers.3.mlp.up_proj": the first matching rule, else the defaults.
  /// Nothing: the module is not quantised.
  [[nodiscard]] std::optional<LinearQuantization> find(const std::string& module, ModuleClass which) const;
  [[nodiscard]] Container container() const { return container_; }
  /// The block type that `module`, the embedding or the head, is held in as MODULE.blocks; nothing: as a plain weight.
  [[nodiscard]] std::optional<DType> block_type(const std::string& module) const;

  QuantizationConfig(Container container, std::optional<LinearQuantization> defaults,
                     std::vector<QuantizationRule> rules, std::map<std::string, DType> blocks = {})
      : container_(container), defaults_(std::move(defaults)), rules_(std::move(rules)), blocks_(std::move(blocks)) {}

 private:
  Container container_;
  std::optional<LinearQuantization> defaults_;
  std::vector<QuantizationRule> rules_;
  std::map<std::string, DType> blocks_;
};

/// The checkpoint_formats that other tools must not take for GPTQ's. Zero fields hold 2 z - 1:
inline constexpr const char* kHalfCheckpointFormat = "lieq_half";
/// Zero fields as in gptq and gptq_v2, but embedding or head are blocks, named in "blocks", and g_idx may be missing:
inline constexpr const char* kBlocksCheckpointFormat = "lieq_gptq";
inline constexpr const char* kBlocksV2CheckpointFormat = "lieq_gptq_v2";
/// What is appended to the name of a module that is held in blocks: U8 [rows, bytes of a row].
inline constexpr const char* kBlocksPart = ".blocks";

}  // namespace lieq::model
