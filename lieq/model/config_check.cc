#include "lieq/model/config_check.h"

#include <fmt/format.h>

namespace lieq::model {

Unexpected unsupported(const std::string& place, const std::string& field, const std::string& found,
                       const std::string& expected) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: field '{}': found {}, expected {}", place, field, found, expected));
}

Result<void> check_sizes(const ModelConfig& config, const SizeKeys& keys, const std::string& place) {
  struct Size {
    const std::string& key;
    std::size_t value, limit;
  };
  // Far above any model, and small enough that products of two cannot overflow.
  constexpr std::size_t kWide = std::size_t{1} << 20, kVocab = std::size_t{1} << 24, kDeep = 4096;
  for (const Size& size : {Size{keys.hidden_size, config.hidden_size, kWide},
                           Size{keys.intermediate_size, config.intermediate_size, kWide},
                           Size{keys.num_hidden_layers, config.num_hidden_layers, kDeep},
                           Size{keys.num_attention_heads, config.num_attention_heads, kDeep},
                           Size{keys.num_key_value_heads, config.num_key_value_heads, kDeep},
                           Size{keys.head_dim, config.head_dim, kDeep},
                           Size{keys.vocab_size, config.vocab_size, kVocab}}) {
    if (size.value == 0 || size.value > size.limit)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: field '{}': found {}, expected 1 to {}", place, size.key, size.value, size.limit));
  }
  if (config.num_attention_heads % config.num_key_value_heads != 0)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected a divisor of {} = {}", place, keys.num_key_value_heads,
                            config.num_key_value_heads, keys.num_attention_heads, config.num_attention_heads));
  if (config.head_dim % 2 != 0)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field '{}': found {}, expected an even number", place,
                                                       keys.head_dim, config.head_dim));
  return {};
}

Result<double> positive(const Fields& fields, std::string_view key, std::optional<double> fallback) {
  LIEQ_ASSIGN(const auto value, fields.number(key));
  if (!value && !fallback)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': missing, expected a number", fields.place(), key));
  const double number = value ? *value : *fallback;
  if (!(number > 0 && number < 1e12))
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field '{}': found {}, expected a positive number", fields.place(), key, number));
  return number;
}

Result<std::uint64_t> GgufKeys::required_count(std::string_view name) const {
  LIEQ_ASSIGN(const auto value, count(name));
  if (!value)
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: key '{}': missing, expected an integer", gguf_.file, key(name)));
  return *value;
}

Result<double> GgufKeys::positive(std::string_view name, double fallback) const {
  LIEQ_ASSIGN(const auto value, gguf_.number(key(name)));
  const double number = value.value_or(fallback);
  if (!(number > 0 && number < 1e12))
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: key '{}': found {}, expected a positive number", gguf_.file, key(name), number));
  return number;
}

}  // namespace lieq::model
