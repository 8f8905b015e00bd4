#pragma once
/// The numbers the LieQ paper prints (data/paper_tables.json, built into the program).

#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::pipeline {

/// The file's text.
extern const char* const kPaperTables;

struct PaperRow {
  std::string model, method;  ///< "FP16", "GPTQ", "LieQ", ...
  double bits = 0;            ///< as the paper counts them: code bits
  std::vector<std::optional<double>> values;  ///< one for each task; empty where the paper gives none
};

struct PaperTable {
  std::string name, title;  ///< "table1"
  std::string metric;       ///< "perplexity" or "accuracy" (per cent)
  std::string top;          ///< as lieq sweep --top takes it
  std::vector<std::string> tasks;
  std::vector<PaperRow> rows;  ///< by model

  /// The models it has, in its order.
  [[nodiscard]] std::vector<std::string> models() const;
};

struct PaperModel {
  std::string name, hub;  ///< as the paper's tables call it; ORG/NAME
};

struct PaperTables {
  std::string source;
  std::vector<PaperModel> models;
  std::vector<PaperTable> tables;
};

/// Errors: kInvalidFormat naming `place` and the field.
[[nodiscard]] Result<PaperTables> paper_tables_from_json(const Json& json, const std::string& place);

}  // namespace lieq::pipeline
