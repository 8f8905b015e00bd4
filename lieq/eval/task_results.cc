#include "lieq/eval/task_results.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace lieq::eval {
namespace {

MetricValue accuracy(std::string name, std::span<const char> right) {
  const auto n = static_cast<double>(right.size());
  const double mean = std::accumulate(right.begin(), right.end(), 0.0) / n;
  MetricValue metric{std::move(name), mean, std::nullopt, true};
  if (n > 1) metric.std_error = std::sqrt(mean * (1 - mean) / (n - 1));  // for zeros and ones: s / √n
  return metric;
}

/// Names of the tasks below a group.
void collect(const TaskGroup& group, std::span<const TaskGroup> groups, std::vector<std::string>& names) {
  for (const std::string& child : group.children) {
    const auto found = std::ranges::find(groups, child, &TaskGroup::name);
    if (found == groups.end()) {
      names.push_back(child);
    } else {
      collect(*found, groups, names);
    }
  }
}

double normal_two_sided(double z) { return std::erfc(std::abs(z) / std::sqrt(2.0)); }

/// Two-sided P of at most `fewer` of `n` fair coins: min(1, 2 Σ C(n, k) / 2ⁿ).
double sign_test(std::size_t fewer, std::size_t n) {
  double sum = 0;
  const auto size = static_cast<double>(n);
  for (std::size_t k = 0; k <= fewer; ++k) {
    const auto successes = static_cast<double>(k);
    sum += std::exp(std::lgamma(size + 1) - std::lgamma(successes + 1) - std::lgamma(size - successes + 1) -
                    size * std::log(2.0));
  }
  return std::min(1.0, 2 * sum);
}

}  // namespace

Prediction predict(const Item& item, const ItemScores& scores) {
  LIEQ_CHECK(!scores.empty() && scores.size() == item.num_choices());
  std::vector<double> sums, means;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    sums.push_back(scores[c].loglik);
    means.push_back(scores[c].loglik / static_cast<double>(item.choice_chars[c]));
  }
  return {static_cast<std::size_t>(std::ranges::max_element(sums) - sums.begin()),
          static_cast<std::size_t>(std::ranges::max_element(means) - means.begin())};
}

Answers grade(std::span<const Item> items, std::span<const ItemScores> scores) {
  LIEQ_CHECK(items.size() == scores.size());
  Answers answers;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Prediction prediction = predict(items[i], scores[i]);
    answers.acc.push_back(prediction.choice == items[i].gold);
    answers.acc_norm.push_back(prediction.choice_norm == items[i].gold);
  }
  return answers;
}

TaskRecord task_record(const Task& task, const TaskItems& items, const Answers& answers) {
  TaskRecord record;
  record.name = task.name;
  record.alias = task.alias;
  record.version = version(task);
  record.num_fewshot = items.num_fewshot;
  record.original = items.original;
  record.effective = items.items.size();
  record.metrics.push_back(accuracy("acc", answers.acc));
  if (has_acc_norm(task)) record.metrics.push_back(accuracy("acc_norm", answers.acc_norm));
  return record;
}

TaskRecord group_record(const TaskGroup& group, std::span<const TaskGroup> groups, std::span<const TaskRecord> tasks) {
  TaskRecord record;
  record.name = group.name;
  record.alias = group.alias;
  record.version = kGroupVersion;
  record.children = group.children;
  record.shows_direction = std::ranges::find(groups, group.children.front(), &TaskGroup::name) == groups.end();
  std::vector<std::string> members;
  collect(group, groups, members);
  double weighted = 0, squares = 0, total = 0;
  bool has_error = true;
  for (const std::string& name : members) {
    const auto task = std::ranges::find(tasks, name, &TaskRecord::name);
    LIEQ_CHECK(task != tasks.end());
    const MetricValue& acc = *task->metric("acc");
    const auto n = static_cast<double>(task->effective);
    weighted += acc.value * n;
    total += n;
    has_error = has_error && acc.std_error;
    if (acc.std_error) squares += n * (n - 1) * *acc.std_error * *acc.std_error;
    record.original += task->original;
    record.effective += task->effective;
    if (record.shows_direction) record.num_fewshot = task->num_fewshot;
  }
  MetricValue acc{"acc", weighted / total, std::nullopt, true};
  const double freedom = total - static_cast<double>(members.size());
  if (has_error) acc.std_error = std::sqrt(squares / freedom / total);
  record.metrics.push_back(std::move(acc));
  return record;
}

PairedDifference paired_difference(std::span<const char> reference, std::span<const char> model) {
  LIEQ_CHECK(!reference.empty() && reference.size() == model.size());
  std::size_t better = 0, worse = 0;
  for (std::size_t i = 0; i < model.size(); ++i) {
    better += model[i] && !reference[i];
    worse += !model[i] && reference[i];
  }
  const auto n = static_cast<double>(model.size());
  const double mean = (static_cast<double>(better) - static_cast<double>(worse)) / n;
  PairedDifference result{mean, std::nullopt, sign_test(std::min(better, worse), better + worse)};
  const double variance = static_cast<double>(better + worse) / n - mean * mean;  // differences are -1, 0 or 1
  if (n > 1) result.std_error = std::sqrt(std::max(0.0, variance) / (n - 1));
  return result;
}

PairedDifference mean_difference(std::span<const PairedDifference> tasks) {
  LIEQ_CHECK(!tasks.empty());
  double sum = 0, squares = 0;
  bool has_error = true;
  for (const PairedDifference& task : tasks) {
    sum += task.difference;
    has_error = has_error && task.std_error;
    squares += std::pow(task.std_error.value_or(0), 2);
  }
  const auto k = static_cast<double>(tasks.size());
  PairedDifference result{sum / k, std::nullopt, 1};
  if (!has_error) return result;
  result.std_error = std::sqrt(squares) / k;
  if (result.difference != 0) result.p_value = normal_two_sided(result.difference / *result.std_error);
  return result;
}

}  // namespace lieq::eval
