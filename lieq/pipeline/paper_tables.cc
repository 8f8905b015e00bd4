#include "lieq/pipeline/paper_tables.h"

#include <algorithm>

#include "lieq/base/record_fields.h"

namespace lieq::pipeline {
namespace {

Result<PaperRow> row_from_json(const Json& json, std::size_t tasks, const std::string& place) {
  const Fields fields(json, place);
  PaperRow row;
  LIEQ_ASSIGN(row.model, required_string(fields, "model"));
  LIEQ_ASSIGN(row.method, required_string(fields, "method"));
  LIEQ_ASSIGN(row.bits, required_number(fields, "bits"));
  LIEQ_ASSIGN(const Json* values, required_list(fields, "values"));
  if (values->size() != tasks) return wrong_field(place, "values", *values, "a value for each task");
  for (const Json& value : *values) {
    if (!value.is_number() && !value.is_null()) return wrong_field(place, "values", value, "numbers and null");
    row.values.push_back(value.is_null() ? std::nullopt : std::optional(value.get<double>()));
  }
  return row;
}

Result<PaperTable> table_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  PaperTable table;
  for (const auto& [key, target] : {std::pair{"name", &table.name}, {"title", &table.title}, {"metric", &table.metric},
                                    {"top", &table.top}}) {
    LIEQ_ASSIGN(*target, required_string(fields, key));
  }
  LIEQ_ASSIGN(const Json* tasks, required_list(fields, "tasks"));
  for (const Json& task : *tasks) {
    if (!task.is_string()) return wrong_field(place, "tasks", task, "names of tasks");
    table.tasks.push_back(task.get<std::string>());
  }
  LIEQ_ASSIGN(const Json* rows, required_list(fields, "rows"));
  for (std::size_t i = 0; i < rows->size(); ++i) {
    LIEQ_ASSIGN(PaperRow row, row_from_json((*rows)[i], tasks->size(), place + ": rows[" + std::to_string(i) + "]"));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

std::vector<std::string> PaperTable::models() const {
  std::vector<std::string> names;
  for (const PaperRow& row : rows)
    if (std::ranges::find(names, row.model) == names.end()) names.push_back(row.model);
  return names;
}

Result<PaperTables> paper_tables_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  PaperTables paper;
  LIEQ_ASSIGN(paper.source, required_string(fields, "source"));
  LIEQ_ASSIGN(const Json* models, required_list(fields, "models"));
  for (const Json& model : *models) {
    const Fields one(model, place + ": models");
    PaperModel& entry = paper.models.emplace_back();
    LIEQ_ASSIGN(entry.name, required_string(one, "name"));
    LIEQ_ASSIGN(entry.hub, required_string(one, "hub"));
  }
  LIEQ_ASSIGN(const Json* tables, required_list(fields, "tables"));
  for (std::size_t i = 0; i < tables->size(); ++i) {
    LIEQ_ASSIGN(PaperTable table, table_from_json((*tables)[i], place + ": tables[" + std::to_string(i) + "]"));
    paper.tables.push_back(std::move(table));
  }
  return paper;
}

}  // namespace lieq::pipeline
