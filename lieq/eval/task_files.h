#pragma once
/// The files of multiple-choice tasks: records as the hub serves them, or as their authors published them.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::eval {

/// One record of a task file, not looked at yet.
struct TaskLine {
  Json json;
  std::string place;                 ///< "FILE: line 7", opens error messages
  std::optional<std::string> label;  ///< from a file of labels beside it (piqa, winogrande)
};

/// Says where the data of a name ("piqa", ..., "mmlu", "mmlu_dev"; "wikitext2", "ptb", "c4") lie: a file or folder that
/// read_task_lines() reads, or a text.
using FindData = std::function<Result<std::filesystem::path>(const std::string& name)>;

/// Where the data of `data` lie below `dir`: NAME.jsonl, or the file or folder of the authors' release in its usual
/// place. Errors: kNotFound that lists the places that were tried.
[[nodiscard]] Result<std::filesystem::path> locate(std::string_view data, const std::filesystem::path& dir);

/// The records of what locate() found. .jsonl: one object a line, blank lines skipped; an object with a field `doc` is
/// that field. Where X-labels.lst lies beside X.jsonl, its lines are the labels. A folder of MMLU's .csv files becomes
/// hub records, subjects in name order. Errors: kNotFound, kIo, kInvalidFormat naming file and line.
[[nodiscard]] Result<std::vector<TaskLine>> read_task_lines(const std::filesystem::path& path);

/// The rows of a .csv file: fields in double quotes may hold commas, line breaks and doubled quotes.
/// Errors: kInvalidFormat, a quote that is never closed.
struct CsvRow {
  std::vector<std::string> fields;
  std::size_t line = 0;  ///< its first line, from 1
};
[[nodiscard]] Result<std::vector<CsvRow>> parse_csv(std::string_view text, const std::string& place);

}  // namespace lieq::eval
