/// Files of tasks: questions that are taken can be scored, and rows of .csv files can be written and read again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/file_of_bytes.h"
#include "lieq/base/utf8.h"
#include "lieq/eval/tasks.h"

namespace {

using namespace lieq;

void check_item(const eval::Task& task, const eval::Item& item, const std::string& path) {
  const std::size_t choices = item.num_choices();
  LIEQ_CHECK(choices >= 1 && item.gold < choices);
  LIEQ_CHECK(item.contexts.size() == 1 || item.contexts.size() == choices);
  LIEQ_CHECK(item.continuations.size() == 1 || item.continuations.size() == choices);
  LIEQ_CHECK(item.place.starts_with(path + ": line "));
  for (std::size_t c = 0; c < choices; ++c) {
    LIEQ_CHECK(item.continuation(c).starts_with(' '));
    LIEQ_CHECK(is_utf8(item.context(c)) && is_utf8(item.continuation(c)));
  }
  LIEQ_CHECK(!eval::as_on_hub(task, item.doc).dump().empty());
}

void check_csv(std::string_view text) {
  const auto rows = eval::parse_csv(text, "fuzz");
  if (!rows) return fuzz::check_line(rows.error().message, "fuzz: line ");
  std::string written;
  for (const eval::CsvRow& row : *rows) {
    LIEQ_CHECK(!row.fields.empty());
    for (const std::string& field : row.fields) {
      written += '"';
      for (const char c : field) written.append(c == '"' ? 2 : 1, c);
      written += "\",";
    }
    written.back() = '\n';
  }
  const auto again = eval::parse_csv(written, "fuzz");
  LIEQ_CHECK(again && again->size() == rows->size());
  for (std::size_t i = 0; i < rows->size(); ++i) LIEQ_CHECK((*again)[i].fields == (*rows)[i].fields);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::FileOfBytes file;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_csv(text);
  const std::string& path = file.write(text);
  const auto find = [&](const std::string&) -> Result<std::filesystem::path> { return std::filesystem::path(path); };
  for (const char* name : {"piqa", "arc_easy", "boolq", "hellaswag", "winogrande", "mmlu_anatomy"}) {
    const auto selection = eval::select_tasks({name});
    LIEQ_CHECK(selection.has_value());
    const std::size_t fewshot = std::string_view(name).starts_with("mmlu") && size % 2 == 1 ? 1 : 0;
    const auto items = eval::load_items(selection->tasks, find, {.limit = 0, .num_fewshot = fewshot});
    if (!items) {
      fuzz::check_line(items.error().message, "");
      continue;
    }
    for (const eval::TaskItems& one : *items) {
      LIEQ_CHECK(one.items.size() == one.original);
      for (const eval::Item& item : one.items) check_item(selection->tasks[0], item, path);
    }
  }
  return 0;
}
