#include "records.h"

#include <nanobind/stl/string.h>

#include "errors.h"

namespace lieq::python {
namespace {

/// The JSON of a dataclass, and what opens messages about it.
struct Given {
  Json json;
  std::string place;
};

Given given_of(nb::handle value, const char* name) {
  const nb::object records = nb::module_::import_("lieq.records");
  if (nb::isinstance(value, records.attr(name))) return {from_python(records.attr("plain")(value)), name};
  const nb::object path = nb::module_::import_("os").attr("fspath")(value);
  const auto file = nb::cast<std::string>(path);
  return {value_of(read_json(file)), file};
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json fields_of(const TaskRecord& record) {
  Json metrics = Json::object();
  for (const MetricValue& one : record.metrics)
    metrics[one.name] = {
        {"value", one.value}, {"std_error", or_null(one.std_error)}, {"higher_is_better", one.higher_is_better}};
  return {{"name", record.name},
          {"alias", record.alias},
          {"version", record.version},
          {"output_type", record.output_type},
          {"num_fewshot", or_null(record.num_fewshot)},
          {"original", record.original},
          {"effective", record.effective},
          {"metrics", std::move(metrics)},
          {"children", record.children}};
}

}  // namespace

nb::object record(const char* name, const Json& json) {
  return nb::module_::import_("lieq.records").attr("build")(name, to_python(json));
}

LayerScores scores_of(nb::handle value) {
  const Given given = given_of(value, "LayerScores");
  return value_of(layer_scores_from_json(given.json, given.place));
}

BitPlan plan_of(nb::handle value) {
  const Given given = given_of(value, "BitPlan");
  return value_of(bit_plan_from_json(given.json, given.place));
}

Json fields_of(const TaskResults& results) {
  Json tasks = Json::array(), perplexities = Json::array(), differences = Json::object();
  for (const TaskRecord& one : results.tasks) tasks.push_back(fields_of(one));
  for (const EvalRecord& one : results.perplexities) perplexities.push_back(to_json(one));
  for (const auto& [task, one] : results.differences)
    differences[task] = {
        {"difference", one.difference}, {"std_error", or_null(one.std_error)}, {"p_value", one.p_value}};
  return {{"model", results.model},
          {"path", results.path},
          {"compute", results.compute},
          {"code_bits", results.code_bits},
          {"true_bits", results.true_bits},
          {"parameters", results.parameters},
          {"file_bytes", results.file_bytes},
          {"max_length", results.max_length},
          {"batch_size", results.batch_size},
          {"limit", results.limit},
          {"date", results.date},
          {"seconds", results.seconds},
          {"reference", results.reference},
          {"tasks", std::move(tasks)},
          {"perplexities", std::move(perplexities)},
          {"differences", std::move(differences)},
          {"harness", to_json(results)}};
}

Json fields_of(const save::ExportRecord& record) {
  Json json = to_json(record), files = Json::object();
  for (const save::WrittenFile& file : record.files) files[file.name] = file.bytes;
  json["source"] = record.source.string();
  json["output"] = record.output.string();
  json["files"] = std::move(files);
  json["bytes"] = record.bytes();
  return json;
}

}  // namespace lieq::python
