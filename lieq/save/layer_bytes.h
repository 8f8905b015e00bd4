#pragma once
/// A finished layer as bytes for other processes of the same program, which have the same compiler and machine words.

#include <string>

#include "lieq/quantize/quantized_layer.h"

namespace lieq::save {

[[nodiscard]] std::string layer_to_bytes(const quantize::QuantizedLayer& layer);
/// bytes: of layer_to_bytes(); anything else is a broken promise.
[[nodiscard]] quantize::QuantizedLayer layer_from_bytes(const std::string& bytes);

}  // namespace lieq::save
