#pragma once
/// Checks shared by the two readers of a configuration (internal to model/).

#include <string>

#include "lieq/model/config.h"

namespace lieq::model {

/// Where each size was read from, for messages: the key names of the file format at hand.
struct SizeKeys {
  std::string hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim,
      vocab_size;
};

/// Sizes are positive, not absurd, and fit each other. Errors: kInvalidFormat naming `place` and the key.
[[nodiscard]] Result<void> check_sizes(const ModelConfig& config, const SizeKeys& keys, const std::string& place);

/// kUnsupported: "PLACE: FIELD: found FOUND, expected EXPECTED".
[[nodiscard]] Unexpected unsupported(const std::string& place, const std::string& field, const std::string& found,
                                     const std::string& expected);

}  // namespace lieq::model
