#pragma once
/// One reader for each kind of file; results.cc chooses among them.

#include "lieq/report/results.h"

namespace lieq::report {

// Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<Evaluation> evaluation_from_json(const Json& json, const std::string& place);
[[nodiscard]] Result<Quantised> quantised_from_json(const Json& json, const std::string& place,
                                                    const std::string& folder);
[[nodiscard]] Result<std::vector<ShapeTime>> shapes_from_json(const Json& json, const std::string& place);
[[nodiscard]] Result<std::vector<ModelSpeed>> speeds_from_json(const Json& json, const std::string& place);
[[nodiscard]] Result<Sweep> sweep_from_json(const Json& json, const std::string& place);

/// Everything in a document but lists of objects, long lists and per-layer data: dotted names and values as text.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> settings_of(const Json& json);

}  // namespace lieq::report
