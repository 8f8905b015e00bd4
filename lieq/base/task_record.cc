#include "lieq/base/task_record.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace lieq {
namespace {

Json number_or(const std::optional<double>& value, const char* otherwise) {
  return value ? Json(*value) : Json(otherwise);
}

/// {"alias", "acc,none", "acc_stderr,none", ...}; the filter is always "none".
Json metrics_json(const TaskRecord& record) {
  Json json = {{"name", record.name}, {"alias", record.alias}, {"sample_len", record.effective}};
  for (const MetricValue& metric : record.metrics) {
    json[metric.name + ",none"] = metric.value;
    json[metric.name + "_stderr,none"] = number_or(metric.std_error, "N/A");
    if (record.is_group()) json["sample_count"][metric.name + ",none"] = record.effective;
  }
  return json;
}

/// What the harness would take from a task's YAML file, as far as it changes the numbers.
Json config_json(const TaskRecord& record) {
  Json metrics = Json::array();
  for (const MetricValue& metric : record.metrics)
    metrics.push_back(
        {{"metric", metric.name}, {"aggregation", "mean"}, {"higher_is_better", metric.higher_is_better}});
  return {{"task", record.name},
          {"task_alias", record.alias},
          {"output_type", record.output_type},
          {"num_fewshot", record.num_fewshot.value_or(0)},
          {"metric_list", metrics},
          {"target_delimiter", " "},
          {"metadata", {{"version", record.version}}}};
}

/// What only this program says.
Json own_json(const TaskResults& results) {
  Json json = {{"version", results.version},       {"model", results.model},         {"path", results.path},
               {"compute", results.compute},       {"code_bits", results.code_bits}, {"true_bits", results.true_bits},
               {"file_bytes", results.file_bytes}, {"seconds", results.seconds}};
  for (const TaskRecord& record : results.tasks) json["tasks"].push_back(record.name);  // objects lose their order
  for (const EvalRecord& record : results.perplexities) json["perplexity"].push_back(to_json(record));
  if (results.reference.empty()) return json;
  json["reference"] = results.reference;
  for (const auto& [task, difference] : results.differences)
    json["difference"][task] = {{"acc", difference.difference},
                                {"acc_stderr", number_or(difference.std_error, "N/A")},
                                {"p_value", difference.p_value}};
  return json;
}

}  // namespace

const MetricValue* TaskRecord::metric(const std::string& metric_name) const {
  const auto found = std::ranges::find(metrics, metric_name, &MetricValue::name);
  return found == metrics.end() ? nullptr : &*found;
}

const TaskRecord* TaskResults::find(const std::string& name) const {
  const auto found = std::ranges::find(tasks, name, &TaskRecord::name);
  return found == tasks.end() ? nullptr : &*found;
}

std::vector<const TaskRecord*> TaskResults::top_level() const {
  std::set<std::string> members;
  for (const TaskRecord& record : tasks) members.insert(record.children.begin(), record.children.end());
  std::vector<const TaskRecord*> top;
  for (const TaskRecord& record : tasks)
    if (!members.contains(record.name)) top.push_back(&record);
  return top;
}

MeanAccuracy mean_accuracy(const TaskResults& results) {
  MeanAccuracy mean;
  double squares = 0;
  bool has_error = true;
  for (const TaskRecord* record : results.top_level()) {
    const MetricValue* acc = record->metric("acc");
    if (!acc) continue;
    ++mean.tasks;
    mean.value += acc->value;
    has_error = has_error && acc->std_error;
    squares += std::pow(acc->std_error.value_or(0), 2);
  }
  if (mean.tasks == 0) return mean;
  mean.value /= static_cast<double>(mean.tasks);
  if (has_error) mean.std_error = std::sqrt(squares) / static_cast<double>(mean.tasks);
  return mean;
}

Json to_json(const TaskResults& results) {
  Json json = {{"results", Json::object()},   {"group_subtasks", Json::object()},
               {"configs", Json::object()},   {"versions", Json::object()},
               {"n-shot", Json::object()},    {"higher_is_better", Json::object()},
               {"n-samples", Json::object()}, {"git_hash", nullptr},
               {"date", results.date},        {"max_length", results.max_length},
               {"model_source", "lieq"},      {"model_name", results.path}};
  for (const TaskRecord& record : results.tasks) {
    json["results"][record.name] = metrics_json(record);
    if (record.num_fewshot) json["n-shot"][record.name] = *record.num_fewshot;
    if (record.shows_direction)
      for (const MetricValue& metric : record.metrics)
        json["higher_is_better"][record.name][metric.name] = metric.higher_is_better;
    if (record.is_group()) {
      json["groups"][record.name] = metrics_json(record);
      json["group_subtasks"][record.name] = record.children;
      json["versions"][record.name] = std::to_string(std::lround(record.version));  // text, as the harness has it
    } else {
      json["configs"][record.name] = config_json(record);
      json["versions"][record.name] = record.version;
      json["n-samples"][record.name] = {{"original", record.original}, {"effective", record.effective}};
    }
  }
  json["config"] = {{"model", "lieq"},
                    {"model_args", "pretrained=" + results.path},
                    {"model_num_parameters", results.parameters},
                    {"model_dtype", results.compute},
                    {"limit", results.limit > 0 ? Json(results.limit) : Json()},
                    {"batch_size", results.batch_size > 0 ? Json(results.batch_size) : Json("auto")},
                    {"device", "cpu"},
                    {"gen_kwargs", nullptr}};
  json["lieq"] = own_json(results);
  return json;
}

}  // namespace lieq
