#pragma once
/// Private to the readers of configurations: what they do with keys they do not read.
///
/// A key can change the arithmetic, and a file comes from anywhere. So each key is one of: read (by the reader of the
/// configuration, of all families or of this one), harmless, harmless with one value only and refused with others, or
/// unknown and warned of by name.

#include <string>
#include <string_view>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/base/sink.h"
#include "lieq/io/gguf.h"
#include "lieq/model/architecture.h"

namespace lieq::model {

/// The keys of config.json and of its rope objects. Errors: kUnsupported naming the key, its value and the one that
/// would be harmless.
[[nodiscard]] Result<void> check_json_keys(const Json& config, const Architecture& architecture,
                                           const std::string& place, Sink& sink);

/// The keys "{gguf_name}.*" of a GGUF file. Errors: as check_json_keys.
[[nodiscard]] Result<void> check_gguf_keys(const io::Gguf& gguf, const Architecture& architecture, Sink& sink);

}  // namespace lieq::model
