#pragma once
/// Private to the two readers of configurations: what they check alike.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lieq/base/json.h"
#include "lieq/io/gguf.h"
#include "lieq/model/config.h"

namespace lieq::model {

/// The names a file format gives to the sizes, for error messages.
struct SizeKeys {
  std::string hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim,
      vocab_size;
};

/// What messages add to the name of an architecture.
inline constexpr const char* kMixture = " (a mixture of experts)";

/// "PLACE: field 'F': found X, expected Y" of kind kUnsupported.
[[nodiscard]] Unexpected unsupported(const std::string& place, const std::string& field, const std::string& found,
                                     const std::string& expected);

/// Sizes are positive, within sane limits (so that later products cannot overflow), and fit together.
[[nodiscard]] Result<void> check_sizes(const ModelConfig& config, const SizeKeys& keys, const std::string& place);

/// A number above 0 (below 1e12), `fallback` where the field is absent; without a fallback it must be there.
[[nodiscard]] Result<double> positive(const Fields& fields, std::string_view key, std::optional<double> fallback);

/// "NAME" read as "{architecture}.NAME" in the metadata of a GGUF file.
class GgufKeys {
 public:
  /// `gguf` must outlive this.
  GgufKeys(const io::Gguf& gguf, std::string_view architecture)
      : gguf_(gguf), prefix_(std::string(architecture) + ".") {}

  [[nodiscard]] std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  [[nodiscard]] bool contains(std::string_view name) const { return gguf_.find(key(name)) != nullptr; }
  [[nodiscard]] Result<std::optional<std::uint64_t>> count(std::string_view name) const {
    return gguf_.count(key(name));
  }
  [[nodiscard]] Result<std::uint64_t> required_count(std::string_view name) const;
  [[nodiscard]] Result<std::optional<std::string_view>> string(std::string_view name) const {
    return gguf_.string(key(name));
  }
  [[nodiscard]] Result<std::optional<double>> number(std::string_view name) const { return gguf_.number(key(name)); }
  /// As positive() of Fields.
  [[nodiscard]] Result<double> positive(std::string_view name, double fallback) const;

 private:
  const io::Gguf& gguf_;
  std::string prefix_;
};

}  // namespace lieq::model
