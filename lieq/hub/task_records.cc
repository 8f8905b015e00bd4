#include "lieq/hub/task_records.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace lieq::hub {
namespace {

using Line = nlohmann::ordered_json;

/// The record's fields in the hub's order, and where its answer stands.
struct Task {
  const char* name;
  std::vector<const char*> fields;
  std::size_t choices;  ///< 0: as many as `choices.label` has
  const char* answer;
};

const Task* find_task(const std::string& name) {
  static const std::array<Task, 7> tasks = {{
      {"piqa", {"goal", "sol1", "sol2", "label"}, 2, "label"},
      {"arc_easy", {"id", "question", "choices", "answerKey"}, 0, "answerKey"},
      {"arc_challenge", {"id", "question", "choices", "answerKey"}, 0, "answerKey"},
      {"boolq", {"question", "passage", "idx", "label"}, 2, "label"},
      {"hellaswag",
       {"ind", "activity_label", "ctx_a", "ctx_b", "endings", "source_id", "split", "split_type", "label"},
       4,
       "label"},
      {"winogrande", {"sentence", "option1", "option2", "answer"}, 2, "answer"},
      {"mmlu", {"question", "subject", "choices", "answer"}, 4, "answer"},
  }};
  const auto found = std::ranges::find(tasks, name, &Task::name);
  return found == tasks.end() ? nullptr : &*found;
}

Unexpected wrong(const std::string& place, const char* field, const Json* found, const char* expected) {
  return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field '{}': found {}, expected {}", place, field,
                                                     found ? brief(*found) : "nothing", expected));
}

Result<std::string> text_of(const Json& row, const char* field, const std::string& place) {
  LIEQ_ASSIGN(auto text, Fields(row, place).string(field));
  if (!text) return wrong(place, field, nullptr, "a string");
  return std::move(*text);
}

/// The answer as an index from 0, before it is checked against the number of choices.
Result<std::size_t> answer_of(const Task& task, const Json& row, const std::string& place) {
  const Json* value = Fields(row, place).find(task.answer);
  if (value && value->is_number_unsigned()) return value->get<std::size_t>();
  if (!value || !value->is_string()) return wrong(place, task.answer, value, "the right answer");
  const std::string text = value->get<std::string>();
  if (task.choices > 0) {
    if (text.size() != 1 || text[0] < '0' || text[0] > '9') return wrong(place, task.answer, value, "a digit");
    const auto digit = static_cast<std::size_t>(text[0] - '0');
    return std::string_view(task.name) == "winogrande" ? digit - 1 : digit;  // counts from 1; a 0 wraps and is refused
  }
  const Json& labels = row["choices"]["label"];
  return static_cast<std::size_t>(std::ranges::find(labels, *value) - labels.begin());
}

Result<std::size_t> count_choices(const Task& task, const Json& row, const std::string& place) {
  if (task.choices > 0) {
    for (const char* list : {"choices", "endings"})
      if (const Json* found = Fields(row, place).find(list);
          found && (!found->is_array() || found->size() != task.choices))
        return wrong(place, list, found, "a list of 4");
    return task.choices;
  }
  const Json* choices = Fields(row, place).find("choices");
  const Json* labels = choices ? Fields(*choices, place).find("label") : nullptr;
  const Json* texts = choices ? Fields(*choices, place).find("text") : nullptr;
  if (!labels || !texts || !labels->is_array() || !texts->is_array() || labels->size() != texts->size())
    return wrong(place, "choices", choices, "lists 'text' and 'label' of one length");
  return labels->size();
}

std::string written(const Line& line) { return line.dump(-1, ' ', false, Line::error_handler_t::replace) + "\n"; }

/// The fields as strings, in order, after `line`'s own.
Result<std::string> copied(Line line, const Json& row, std::initializer_list<const char*> fields,
                           const std::string& place) {
  for (const char* field : fields) {
    LIEQ_ASSIGN(line[field], text_of(row, field, place));
  }
  return written(line);
}

}  // namespace

Result<std::string> LineMaker::task_line(std::size_t index, const Json& row, const std::string& place) {
  const Task& task = *find_task(origin_.name);
  LIEQ_ASSIGN(const std::size_t choices, count_choices(task, row, place));
  LIEQ_ASSIGN(const std::size_t gold, answer_of(task, row, place));
  if (gold >= choices) return wrong(place, task.answer, Fields(row, place).find(task.answer), "one of the choices");
  Line doc = Line::object();
  for (const char* field : task.fields) {
    const Json* value = Fields(row, place).find(field);
    if (!value) return wrong(place, field, nullptr, "a value");
    if (!value->is_object()) {
      doc[field] = Line(*value);
      continue;
    }
    for (const char* part : {"text", "label"}) doc[field][part] = Line((*value)[part]);
  }
  std::string id = fmt::format("{}-{}-{}", origin_.name, origin_.split, index);
  if (row.contains("id")) {
    LIEQ_ASSIGN(id, text_of(row, "id", place));
  } else if (row.contains("subject")) {
    LIEQ_ASSIGN(const std::string subject, text_of(row, "subject", place));
    if (std::exchange(subject_, subject) != subject) subject_begin_ = index;
    id = fmt::format("{}-{}-{}-{}", origin_.name, subject, origin_.split, index - subject_begin_);
  }
  return written(Line{{"task", origin_.name},
                      {"split", origin_.split},
                      {"id", id},
                      {"index", index},
                      {"num_choices", choices},
                      {"gold", gold},
                      {"doc", doc}});
}

Result<std::string> LineMaker::line(std::size_t index, const Json& row) {
  const std::string place = fmt::format("{} ({}), row {}", origin_.name, origin_.split, index);
  switch (form_) {
    case Form::kWikiText: {
      LIEQ_ASSIGN(const std::string text, text_of(row, "text", place));
      return fmt::format("{}{}", text.empty() ? " " : text, text.ends_with('\n') ? "" : "\n");
    }
    case Form::kPtb: {
      LIEQ_ASSIGN(const std::string text, text_of(row, "sentence", place));
      return fmt::format(" {} \n", text);
    }
    case Form::kTask: return task_line(index, row, place);
    case Form::kC4: return copied(Line::object(), row, {"text", "timestamp", "url"}, place);
    case Form::kDolly:
      return copied(Line{{"id", fmt::format("dolly-{}", index)}}, row,
                    {"instruction", "context", "response", "category"}, place);
    case Form::kDialogues:
      return copied(Line{{"id", fmt::format("{}-test-{}", origin_.split, index)}, {"subset", origin_.split}}, row,
                    {"chosen", "rejected"}, place);
  }
  return "";
}

}  // namespace lieq::hub
