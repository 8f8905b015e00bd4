#include "lieq/report/variants.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/report/style.h"

namespace lieq::report {
namespace {

std::string title_of(const EvalRecord& record) {
  std::string title =
      fmt::format("{}, {} protocol, windows of {}", model_label(record.text), record.protocol, record.window);
  if (record.stride > 0) title += fmt::format(" every {}", record.stride);
  return title + fmt::format(", {} tokens, {} arithmetic", record.num_tokens, record.compute);
}

std::string title_of(const TaskResults& results) {
  const std::string limit = results.limit >= 1  ? fmt::format("the first {:g} questions of each, ", results.limit)
                            : results.limit > 0 ? fmt::format("the first {:g} % of each, ", 100 * results.limit)
                                                : "";
  return fmt::format("{}{} arithmetic", limit, results.compute);
}

template <class Set, class Record>
void add(std::vector<Set>& sets, std::vector<const Record*> Set::*member, const Record& record) {
  const std::string title = title_of(record);
  auto found = std::ranges::find(sets, title, &Set::title);
  if (found == sets.end()) found = sets.insert(sets.end(), Set{title, {}});
  auto& records = (*found).*member;
  const auto same = std::ranges::find(records, record.model, &Record::model);  // a later file corrects an earlier one
  if (same == records.end())
    records.push_back(&record);
  else
    *same = &record;
}

template <class Record>
void add_variant(std::vector<Variant>& variants, const Record& record) {
  if (std::ranges::find(variants, record.model, &Variant::name) != variants.end()) return;
  variants.push_back({record.model, record.code_bits, record.true_bits, record.file_bytes, "ink", Marker::kCircle});
}

}  // namespace

Evaluated evaluated_of(const Subject& subject) {
  Evaluated all;
  for (const Evaluation* evaluation : subject.evaluations) {
    for (const EvalRecord& record : evaluation->texts) {
      add(all.texts, &TextSet::records, record);
      add_variant(all.variants, record);
    }
    for (const TaskResults& results : evaluation->tasks) {
      add(all.tasks, &TaskSet::models, results);
      add_variant(all.variants, results);
      for (const EvalRecord& record : results.perplexities) add(all.texts, &TextSet::records, record);
    }
  }
  std::size_t next = 0;
  for (Variant& variant : all.variants) {
    if (variant.code_bits >= 16 && (next == 0 || variant.name == subject.label)) continue;  // the original stays in ink
    variant.kinds = colour_class(next);
    variant.marker = marker_of(next + 1);
    ++next;
  }
  return all;
}

const Variant& variant_of(const std::vector<Variant>& variants, const std::string& name) {
  static const Variant kUnknown;
  const auto found = std::ranges::find(variants, name, &Variant::name);
  return found == variants.end() ? kUnknown : *found;
}

}  // namespace lieq::report
