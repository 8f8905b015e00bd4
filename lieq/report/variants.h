#pragma once
/// The evaluated models of a subject, and how they look in all of its figures.

#include <string>
#include <vector>

#include "lieq/report/figures.h"

namespace lieq::report {

struct Variant {
  std::string name;
  double code_bits = 0, true_bits = 0;
  std::uint64_t bytes = 0;
  std::string kinds = "ink";  ///< classes of its colour
  Marker marker = Marker::kCircle;
};

/// Those of one text under one protocol, or of the tasks: what compares with each other.
struct TextSet {
  std::string title;  ///< "heldout.txt, windows of 512, fp32"
  std::vector<const EvalRecord*> records;
};
struct TaskSet {
  std::string title;  ///< "fp32", "the first 40 questions, fp32"
  std::vector<const TaskResults*> models;
};

struct Evaluated {
  std::vector<Variant> variants;
  std::vector<TextSet> texts;
  std::vector<TaskSet> tasks;
};

[[nodiscard]] Evaluated evaluated_of(const Subject& subject);
[[nodiscard]] const Variant& variant_of(const std::vector<Variant>& variants, const std::string& name);

/// The model that others are compared with: the widest codes, at least 16 bits; nullptr if there is none.
template <class Record>
const Record* reference_of(const std::vector<const Record*>& records) {
  const Record* widest = nullptr;
  for (const Record* record : records)
    if (record->code_bits >= 16 && (!widest || record->code_bits > widest->code_bits)) widest = record;
  return widest;
}

}  // namespace lieq::report
