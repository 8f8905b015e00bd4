#include "lieq/eval/task_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "lieq/base/lines.h"
#include "lieq/io/atomic_file.h"

namespace lieq::eval {
namespace {

namespace fs = std::filesystem;

/// Where the authors' archives put the split that is evaluated, below a folder that holds them.
const std::map<std::string_view, std::vector<std::string_view>>& upstream_places() {
  static const std::map<std::string_view, std::vector<std::string_view>> places = {
      {"piqa", {"piqa/valid.jsonl", "physicaliqa-train-dev/dev.jsonl"}},
      {"arc_easy",
       {"ARC/ARC-Easy/ARC-Easy-Test.jsonl", "ARC-V1-Feb2018-2/ARC-Easy/ARC-Easy-Test.jsonl",
        "ARC-Easy/ARC-Easy-Test.jsonl"}},
      {"arc_challenge",
       {"ARC/ARC-Challenge/ARC-Challenge-Test.jsonl", "ARC-V1-Feb2018-2/ARC-Challenge/ARC-Challenge-Test.jsonl",
        "ARC-Challenge/ARC-Challenge-Test.jsonl"}},
      {"boolq", {"BoolQ/val.jsonl", "BoolQ/dev.jsonl"}},
      {"hellaswag", {"hellaswag/hellaswag_val.jsonl", "hellaswag_val.jsonl"}},
      {"winogrande", {"winogrande/dev.jsonl", "winogrande_1.1/dev.jsonl"}},
      {"mmlu", {"mmlu/data/test", "mmlu/test", "data/test"}},
      {"mmlu_dev", {"mmlu/data/dev", "mmlu/dev", "data/dev"}},
      {"wikitext2",
       {"wikitext2-test.txt", "wiki.test.raw", "wikitext-2-raw/wiki.test.raw", "text/wikitext2-test.txt",
        "../text/wikitext2-test.txt"}},
      {"ptb", {"ptb-test.txt", "ptb.test.txt", "text/ptb-test.txt", "../text/ptb-test.txt"}},
      {"c4", {"c4-sample.jsonl", "text/c4-sample.jsonl", "../text/c4-sample.jsonl"}},
  };
  return places;
}

/// One label a line, for each of `count` records.
Result<std::vector<std::string>> read_labels(const fs::path& file, std::size_t count) {
  LIEQ_ASSIGN(const std::string text, io::read_file(file));
  std::vector<std::string> labels;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = take_line(rest);
    if (!is_blank(line)) labels.emplace_back(line.substr(0, line.find_last_not_of("\r\n") + 1));
  }
  if (labels.size() != count)
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found {} labels, expected {}, one for each record",
                                                       file.string(), labels.size(), count));
  return labels;
}

Result<std::vector<TaskLine>> read_jsonl(const fs::path& file) {
  LIEQ_ASSIGN(const std::string text, io::read_file(file));
  LIEQ_ASSIGN(auto objects, parse_json_lines(text, file.string()));
  std::vector<TaskLine> lines;
  for (auto& [json, place] : objects) {
    if (const auto doc = json.find("doc"); doc != json.end()) {
      if (!doc->is_object())
        return fail(ErrorCode::kInvalidFormat,
                    fmt::format("{}: field 'doc': found {}, expected an object", place, brief(*doc)));
      json = Json(std::move(*doc));
    }
    lines.push_back({std::move(json), std::move(place), std::nullopt});
  }
  if (lines.empty())
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: found no records, expected some", file.string()));
  const fs::path labels_file = fs::path(file).replace_extension() += "-labels.lst";
  std::error_code ignored;
  if (fs::exists(labels_file, ignored)) {
    LIEQ_ASSIGN(std::vector<std::string> labels, read_labels(labels_file, lines.size()));
    for (std::size_t i = 0; i < lines.size(); ++i) lines[i].label = std::move(labels[i]);
  }
  return lines;
}

/// subject_test.csv: question, four answers, letter.
Result<void> append_mmlu_csv(const fs::path& file, const std::string& subject, std::vector<TaskLine>& lines) {
  LIEQ_ASSIGN(const std::string text, io::read_file(file));
  LIEQ_ASSIGN(std::vector<CsvRow> rows, parse_csv(text, file.string()));
  for (CsvRow& row : rows) {
    std::string place = fmt::format("{}: line {}", file.string(), row.line);
    std::vector<std::string>& f = row.fields;
    if (f.size() != 6)
      return fail(
          ErrorCode::kInvalidFormat,
          fmt::format("{}: found {} fields, expected 6: a question, four answers and a letter", place, f.size()));
    if (f[5].size() != 1 || f[5][0] < 'A' || f[5][0] > 'D')
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: last field: found '{}', expected A, B, C or D", place, f[5]));
    Json doc = {
        {"question", f[0]}, {"subject", subject}, {"choices", {f[1], f[2], f[3], f[4]}}, {"answer", f[5][0] - 'A'}};
    lines.push_back({std::move(doc), std::move(place), std::nullopt});
  }
  return {};
}

Result<std::vector<TaskLine>> read_mmlu_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".csv") files.push_back(entry.path());
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: {}", folder.string(), error.message()));
  if (files.empty())
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: found no .csv files, expected one for each subject", folder.string()));
  std::ranges::sort(files);
  std::vector<TaskLine> lines;
  for (const fs::path& file : files) {
    const std::string stem = file.stem().string();  // anatomy_test
    LIEQ_TRY(append_mmlu_csv(file, stem.substr(0, stem.rfind('_')), lines));
  }
  return lines;
}

}  // namespace

Result<fs::path> locate(std::string_view data, const fs::path& dir) {
  std::vector<fs::path> tried = {dir / fmt::format("{}.jsonl", data)};
  if (const auto found = upstream_places().find(data); found != upstream_places().end())
    for (const std::string_view place : found->second) tried.push_back(dir / place);
  std::string names;
  for (const fs::path& path : tried) {
    std::error_code ignored;
    if (fs::exists(path, ignored)) return path;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", path.lexically_relative(dir / "").string());
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("{}: found no data for {}, expected one of {} (or without --tasks-dir, lieq pull --data {})",
                          dir.string(), data, names, data));
}

Result<std::vector<TaskLine>> read_task_lines(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? read_mmlu_folder(path) : read_jsonl(path);
}

Result<std::vector<CsvRow>> parse_csv(std::string_view text, const std::string& place) {
  std::vector<CsvRow> rows;
  std::size_t line = 1, at = 0;
  while (at < text.size()) {
    CsvRow row{{""}, line};
    bool quoted = false;
    for (; at < text.size(); ++at) {
      const char c = text[at];
      line += c == '\n';
      if (quoted) {
        if (c != '"') {
          row.fields.back() += c;
        } else if (text.substr(at + 1).starts_with('"')) {
          row.fields.back() += text[++at];
        } else {
          quoted = false;
        }
      } else if (c == '"' && row.fields.back().empty()) {
        quoted = true;
      } else if (c == ',') {
        row.fields.emplace_back();
      } else if (c == '\n') {
        break;
      } else if (c != '\r') {
        row.fields.back() += c;
      }
    }
    ++at;
    if (quoted)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: line {}: found a quote that is never closed, expected another", place, row.line));
    if (row.fields.size() > 1 || !row.fields[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace lieq::eval
