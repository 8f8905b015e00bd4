#include <algorithm>
#include <string_view>
#include <utility>

#include "lieq/base/record_fields.h"
#include "lieq/base/task_record.h"

namespace lieq {
namespace {

constexpr std::string_view kFilter = ",none", kErrorKey = "_stderr";

/// {"acc,none": 0.5, "acc_stderr,none": 0.01, ...}; other keys are not metrics.
Result<std::vector<MetricValue>> metrics_from_json(const Json& json, const Fields& fields) {
  std::vector<MetricValue> metrics;
  for (const auto& [key, value] : json.items()) {
    if (!key.ends_with(kFilter)) continue;
    const std::string name = key.substr(0, key.size() - kFilter.size());
    if (name.ends_with(kErrorKey)) continue;
    MetricValue metric;
    metric.name = name;
    LIEQ_ASSIGN(metric.value, required_number(fields, key));
    const Json* error = fields.find(name + std::string(kErrorKey) + std::string(kFilter));
    if (error && error->is_number()) metric.std_error = error->get<double>();  // otherwise "N/A"
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

/// The object `key` of `fields`, and its own fields; without it one that has none.
Result<Fields> part(const Fields& fields, std::string_view key) {
  static const Json kNothing = Json::object();
  const Json* object = fields.find(key);
  if (!object) return Fields(kNothing, fields.place());
  if (!object->is_object()) return wrong_field(fields.place(), key, *object, "an object");
  return Fields(*object, fields.place() + ": " + std::string(key));
}

/// What stands beside "results", by task.
struct Beside {
  Fields shots, samples, members, directions, configs;
};

Result<TaskRecord> record_from_json(const std::string& name, const Json& json, const Beside& beside,
                                    const std::string& place) {
  if (!json.is_object()) return wrong_field(place, name, json, "an object");
  const Fields fields(json, place + "." + name);
  TaskRecord record;
  record.name = name;
  LIEQ_ASSIGN(const auto alias, fields.string("alias"));
  record.alias = alias.value_or(name);
  LIEQ_ASSIGN(record.metrics, metrics_from_json(json, fields));
  LIEQ_ASSIGN(record.num_fewshot, beside.shots.count(name));
  LIEQ_ASSIGN(const auto scored, fields.count("sample_len"));
  record.effective = scored.value_or(0);
  LIEQ_ASSIGN(const Fields samples, part(beside.samples, name));
  LIEQ_ASSIGN(const auto original, samples.count("original"));
  record.original = original.value_or(record.effective);
  LIEQ_ASSIGN(const Fields config, part(beside.configs, name));
  LIEQ_ASSIGN(const auto type, config.string("output_type"));
  record.output_type = type.value_or(record.output_type);
  LIEQ_ASSIGN(const Fields directions, part(beside.directions, name));
  for (MetricValue& metric : record.metrics) {
    LIEQ_ASSIGN(const auto higher, directions.boolean(metric.name));
    metric.higher_is_better = higher.value_or(true);
  }
  if (beside.members.find(name)) {
    LIEQ_ASSIGN(const Json* members, required_list(beside.members, name));
    for (const Json& member : *members) {
      if (!member.is_string()) return wrong_field(beside.members.place(), name, member, "names of tasks");
      record.children.push_back(member.get<std::string>());
    }
  }
  return record;
}

/// Puts tasks in the order of `names`; those it does not name follow as they are.
void sort_tasks(const Json* names, std::vector<TaskRecord>& tasks) {
  if (!names || !names->is_array()) return;
  const auto place = [&](const TaskRecord& task) {
    return std::find(names->begin(), names->end(), Json(task.name)) - names->begin();
  };
  std::ranges::stable_sort(tasks, {}, place);
}

Result<void> read_own(const Fields& own, TaskResults& results) {
  LIEQ_ASSIGN(results.model, required_string(own, "model"));
  for (const auto& [key, target] : {std::pair{"path", &results.path},
                                    {"compute", &results.compute},
                                    {"version", &results.version},
                                    {"reference", &results.reference}}) {
    LIEQ_ASSIGN(const auto value, own.string(key));
    *target = value.value_or("");
  }
  for (const auto& [key, target] : {std::pair{"code_bits", &results.code_bits}, {"true_bits", &results.true_bits}}) {
    LIEQ_ASSIGN(*target, required_number(own, key));
  }
  LIEQ_ASSIGN(results.file_bytes, own.required_count("file_bytes"));
  LIEQ_ASSIGN(const auto seconds, own.number("seconds"));
  results.seconds = seconds.value_or(0);
  if (own.find("perplexity")) {
    LIEQ_ASSIGN(const Json* texts, required_list(own, "perplexity"));
    for (std::size_t i = 0; i < texts->size(); ++i) {
      const std::string place = own.place() + ": perplexity[" + std::to_string(i) + "]";
      LIEQ_ASSIGN(EvalRecord record, eval_record_from_json((*texts)[i], place));
      results.perplexities.push_back(std::move(record));
    }
  }
  LIEQ_ASSIGN(const Fields differences, part(own, "difference"));
  if (const Json* all = own.find("difference")) {
    for (const auto& [task, unused] : all->items()) {
      LIEQ_ASSIGN(const Fields one, part(differences, task));
      PairedDifference& difference = results.differences[task];
      for (const auto& [key, target] : {std::pair{"acc", &difference.difference}, {"p_value", &difference.p_value}}) {
        LIEQ_ASSIGN(*target, required_number(one, key));
      }
      const Json* error = one.find("acc_stderr");
      if (error && error->is_number()) difference.std_error = error->get<double>();  // otherwise "N/A"
    }
  }
  return {};
}

}  // namespace

Result<TaskResults> task_results_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  TaskResults results;
  LIEQ_ASSIGN(const Json* own, required_object(fields, "lieq"));
  LIEQ_TRY(read_own(Fields(*own, place + ": lieq"), results));
  LIEQ_ASSIGN(const Json* records, required_object(fields, "results"));
  LIEQ_ASSIGN(const Fields shots, part(fields, "n-shot"));
  LIEQ_ASSIGN(const Fields samples, part(fields, "n-samples"));
  LIEQ_ASSIGN(const Fields members, part(fields, "group_subtasks"));
  LIEQ_ASSIGN(const Fields directions, part(fields, "higher_is_better"));
  LIEQ_ASSIGN(const Fields configs, part(fields, "configs"));
  const Beside beside{shots, samples, members, directions, configs};
  for (const auto& [name, record] : records->items()) {
    LIEQ_ASSIGN(TaskRecord one, record_from_json(name, record, beside, place + ": results"));
    results.tasks.push_back(std::move(one));
  }
  sort_tasks(Fields(*own, place).find("tasks"), results.tasks);
  LIEQ_ASSIGN(const auto date, fields.number("date"));
  results.date = date.value_or(0);
  LIEQ_ASSIGN(const auto longest, fields.count("max_length"));
  results.max_length = longest.value_or(0);
  LIEQ_ASSIGN(const Fields config, part(fields, "config"));
  LIEQ_ASSIGN(const auto parameters, config.count("model_num_parameters"));
  results.parameters = parameters.value_or(0);
  LIEQ_ASSIGN(const auto limit, config.number("limit"));
  results.limit = limit.value_or(0);
  return results;
}

}  // namespace lieq
