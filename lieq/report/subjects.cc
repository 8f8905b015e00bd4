#include <algorithm>

#include "lieq/base/labels.h"
#include "lieq/report/figures.h"

namespace lieq::report {
namespace {

/// The original that a model was made from, as far as a lieq.json says; otherwise the model itself.
std::string original_of(const Results& results, const std::string& label) {
  const auto found = std::ranges::find(results.quantised, label, &Quantised::name);
  return found == results.quantised.end() || found->source.empty() ? label : found->source;
}

class Subjects {
 public:
  Subject& at(const std::string& label) {
    const auto found = std::ranges::find(all_, label, &Subject::label);
    if (found != all_.end()) return *found;
    all_.emplace_back().label = label;
    return all_.back();
  }
  std::vector<Subject> take() { return std::move(all_); }

 private:
  std::vector<Subject> all_;
};

template <class T>
bool same_json(const T& a, const T& b) {
  return to_json(a) == to_json(b);
}

void add_scores(Subject& subject, const std::string& name, const LayerScores& scores) {
  const auto same = [&](const auto& other) { return same_json(*other.second, scores); };
  if (std::ranges::none_of(subject.scores, same)) subject.scores.emplace_back(name, &scores);
}

}  // namespace

std::vector<Subject> subjects_of(const Results& results) {
  Subjects subjects;
  for (const Evaluation& evaluation : results.evaluations) {
    const std::string first = !evaluation.tasks.empty()   ? evaluation.tasks.front().model
                              : !evaluation.texts.empty() ? evaluation.texts.front().model
                                                          : "";
    if (!first.empty()) subjects.at(original_of(results, first)).evaluations.push_back(&evaluation);
  }
  for (const LayerScores& scores : results.scores) add_scores(subjects.at(model_label(scores.model.name)), "", scores);
  for (const Quantised& quantised : results.quantised) {
    Subject& subject = subjects.at(quantised.source.empty() ? quantised.name : quantised.source);
    subject.quantised.push_back(&quantised);
    if (quantised.scores) add_scores(subject, quantised.name, *quantised.scores);
    if (quantised.plan) subject.plans.emplace_back(quantised.name, &*quantised.plan);
  }
  for (const BitPlan& plan : results.plans) {
    Subject& subject = subjects.at(model_label(plan.model.name));
    const auto same = [&](const auto& other) { return same_json(*other.second, plan); };
    if (std::ranges::none_of(subject.plans, same)) subject.plans.emplace_back("", &plan);
  }
  for (const Sweep& sweep : results.sweeps) subjects.at(sweep.model).sweeps.push_back(&sweep);
  return subjects.take();
}

}  // namespace lieq::report
