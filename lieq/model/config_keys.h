#pragma once
/// Private to the readers of configurations: what they do with keys they do not read.
///
/// A key can change the arithmetic, and a file comes from anywhere. So each key is one of: read (by the reader of the
/// configuration), harmless, harmless with one value only and refused with others, or unknown and warned of by name.

#include <string>
#include <string_view>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/io/gguf.h"

namespace lieq::model {

/// The keys of config.json and of its rope objects. Errors: kUnsupported naming the key, its value and the one that
/// would be harmless.
[[nodiscard]] Result<void> check_json_keys(const Json& config, const std::string& place, Sink& sink);

/// The keys "{architecture}.*" of a GGUF file. Errors: as check_json_keys.
[[nodiscard]] Result<void> check_gguf_keys(const io::Gguf& gguf, std::string_view architecture, Sink& sink);

}  // namespace lieq::model
