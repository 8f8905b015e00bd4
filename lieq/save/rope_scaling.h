#pragma once
/// The rotary embedding of a GGUF file as config.json names it.

#include <string>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/model/config.h"

namespace lieq::save {

/// rope_scaling of config.json: null, linear, yarn, longrope, or for a file with rope_freqs.weight the llama3 scaling
/// whose frequencies
/// those divisors give. Of its four parameters three are free (both bounds and the original context share a scale), so
/// low_freq_factor is taken as 1, its value in every published Llama 3 model; what was found is proven by computing all
/// frequencies again. place: opens error messages.
/// Errors: kUnsupported when no llama3 scaling gives these divisors.
[[nodiscard]] Result<Json> rope_scaling(const model::ModelConfig& config, const std::string& place);

}  // namespace lieq::save
