/// The formats are those of the harness's task files: piqa 1.0, ai2_arc 1.0, boolq 2.0, hellaswag 1.0, winogrande 1.0,
/// mmlu 1.0.
#include "lieq/eval/task_prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "lieq/base/record_fields.h"
#include "lieq/eval/python_text.h"

namespace lieq::eval {
namespace {

Unexpected wrong(const std::string& place, std::string_view key, const std::string& found,
                 const std::string& expected) {
  return fail(ErrorCode::kInvalidFormat,
              fmt::format("{}: field '{}': found {}, expected {}", place, key, found, expected));
}

/// An answer's number: an integer, the same as a string, or a truth value.
Result<std::size_t> choice_index(const Json& doc, const std::string& place, std::string_view key, std::size_t choices) {
  const Json* value = Fields(doc, place).find(key);
  const std::string expected = fmt::format("a number from 0 to {}", choices - 1);
  if (!value) return missing_field(Fields(doc, place), key, expected);
  for (std::size_t i = 0; i < choices; ++i) {
    const bool equal = value->is_string()    ? value->get_ref<const std::string&>() == std::to_string(i)
                       : value->is_boolean() ? choices == 2 && value->get<bool>() == (i == 1)
                                             : value->is_number_integer() && *value == i;
    if (equal) return i;
  }
  return wrong(place, key, brief(*value), expected);
}

Result<std::vector<std::string>> strings(const Json& object, const std::string& place, std::string_view key,
                                         std::size_t least, std::size_t most) {
  const Fields fields(object, place);
  LIEQ_ASSIGN(const Json* list, required_list(fields, key));
  const std::string expected =
      least == most ? fmt::format("{} strings", least) : fmt::format("at least {} strings", least);
  if (list->size() < least || list->size() > most)
    return wrong(place, key, fmt::format("{} values", list->size()), expected);
  std::vector<std::string> values;
  for (const Json& one : *list) {
    if (!one.is_string()) return wrong(place, key, brief(one), expected);
    values.push_back(one.get<std::string>());
  }
  return values;
}

Item make_item(TaskLine line, std::string context, const std::vector<std::string>& choices, std::size_t gold) {
  Item item;
  item.doc = std::move(line.json);
  item.place = std::move(line.place);
  item.contexts = {std::move(context)};
  for (const std::string& choice : choices) {
    item.continuations.push_back(" " + choice);
    item.choice_chars.push_back(code_points(choice));
  }
  item.gold = gold;
  item.target = std::to_string(gold);
  return item;
}

/// {question: {stem, choices: [{text, label}]}} -> {question, choices: {text: [], label: []}}
Result<void> arc_as_on_hub(Json& doc, const std::string& place) {
  if (!doc.contains("question") || !doc["question"].is_object()) return {};
  const Json question = doc["question"];
  LIEQ_ASSIGN(const std::string stem, required_string(Fields(question, place), "stem"));
  LIEQ_ASSIGN(const Json* list, required_list(Fields(question, place), "choices"));
  Json texts = Json::array(), labels = Json::array();
  for (const Json& choice : *list) {
    LIEQ_ASSIGN(const std::string text, required_string(Fields(choice, place), "text"));
    LIEQ_ASSIGN(const std::string label, required_string(Fields(choice, place), "label"));
    texts.push_back(text);
    labels.push_back(label);
  }
  doc["question"] = stem;
  doc["choices"] = {{"text", texts}, {"label", labels}};
  return {};
}

/// Deletes every [...] on one line, shortest match first.
std::string without_brackets(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t open = text.find('[');
    kept += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const std::size_t end = text.find_first_of("]\n");
    if (end != std::string_view::npos && text[end] == ']') {
      text.remove_prefix(end + 1);
    } else {
      kept += '[';
      text.remove_prefix(1);
    }
  }
  return kept;
}

std::string hellaswag_clean(std::string_view text) {
  return python_replace(without_brackets(python_replace(python_strip(text), " [title]", ". ")), "  ", " ");
}

}  // namespace

Result<Item> piqa_item(TaskLine line) {
  const Fields fields(line.json, line.place);
  LIEQ_ASSIGN(const std::string goal, required_string(fields, "goal"));
  LIEQ_ASSIGN(const std::string sol1, required_string(fields, "sol1"));
  LIEQ_ASSIGN(const std::string sol2, required_string(fields, "sol2"));
  if (!line.json.contains("label") && line.label) line.json["label"] = *line.label;
  LIEQ_ASSIGN(const std::size_t gold, choice_index(line.json, line.place, "label", 2));
  line.json["label"] = gold;
  return make_item(std::move(line), "Question: " + goal + "\nAnswer:", {sol1, sol2}, gold);
}

Result<Item> arc_item(TaskLine line) {
  LIEQ_TRY(arc_as_on_hub(line.json, line.place));
  const Fields fields(line.json, line.place);
  LIEQ_ASSIGN(const std::string question, required_string(fields, "question"));
  LIEQ_ASSIGN(const Json* choices, required_object(fields, "choices"));
  LIEQ_ASSIGN(const auto texts, strings(*choices, line.place, "text", 2, 64));
  LIEQ_ASSIGN(const auto labels, strings(*choices, line.place, "label", texts.size(), texts.size()));
  LIEQ_ASSIGN(const std::string key, required_string(fields, "answerKey"));
  const auto gold = std::ranges::find(labels, key);
  if (gold == labels.end()) return wrong(line.place, "answerKey", "'" + key + "'", "one of the choices' labels");
  const auto index = static_cast<std::size_t>(gold - labels.begin());
  return make_item(std::move(line), "Question: " + question + "\nAnswer:", texts, index);
}

Result<Item> boolq_item(TaskLine line) {
  const Fields fields(line.json, line.place);
  LIEQ_ASSIGN(const std::string question, required_string(fields, "question"));
  LIEQ_ASSIGN(std::string passage, required_string(fields, "passage"));
  LIEQ_ASSIGN(const auto title, fields.string("title"));
  if (!line.json.contains("label") && line.json.contains("answer")) {
    // The first release keeps the title apart; SuperGLUE's form of the task, which is the one evaluated, joins the two.
    line.json["label"] = line.json["answer"];
    if (title) passage = *title + " -- " + passage;
  }
  LIEQ_ASSIGN(const std::size_t gold, choice_index(line.json, line.place, "label", 2));
  line.json["label"] = gold;
  return make_item(std::move(line), passage + "\nQuestion: " + question + "?\nAnswer:", {"no", "yes"}, gold);
}

Result<Item> hellaswag_item(TaskLine line) {
  const Fields fields(line.json, line.place);
  LIEQ_ASSIGN(const std::string activity, required_string(fields, "activity_label"));
  LIEQ_ASSIGN(const std::string ctx_a, required_string(fields, "ctx_a"));
  LIEQ_ASSIGN(const std::string ctx_b, required_string(fields, "ctx_b"));
  LIEQ_ASSIGN(std::vector<std::string> endings, strings(line.json, line.place, "endings", 4, 4));
  LIEQ_ASSIGN(const std::size_t gold, choice_index(line.json, line.place, "label", 4));
  std::ranges::transform(endings, endings.begin(), hellaswag_clean);
  std::string query = hellaswag_clean(activity + ": " + ctx_a + " " + python_capitalize(ctx_b));
  if (!line.json.contains("ctx")) line.json["ctx"] = python_strip(ctx_a + " " + ctx_b);  // a column of the hub
  line.json.update({{"label", std::to_string(gold)}, {"query", query}, {"choices", endings}, {"gold", gold}});
  return make_item(std::move(line), std::move(query), endings, gold);
}

Result<Item> winogrande_item(TaskLine line) {
  const Fields fields(line.json, line.place);
  LIEQ_ASSIGN(const std::string sentence, required_string(fields, "sentence"));
  LIEQ_ASSIGN(const std::string option1, required_string(fields, "option1"));
  LIEQ_ASSIGN(const std::string option2, required_string(fields, "option2"));
  if (!line.json.contains("answer") && line.label) line.json["answer"] = *line.label;
  LIEQ_ASSIGN(const std::string answer, required_string(fields, "answer"));
  if (answer != "1" && answer != "2") return wrong(line.place, "answer", "'" + answer + "'", "\"1\" or \"2\"");
  const std::size_t blank = sentence.find('_');
  if (blank == std::string::npos) return wrong(line.place, "sentence", "no '_'", "one where the option goes");
  const std::string rest(python_strip(std::string_view(sentence).substr(blank + 1)));
  const std::string before = sentence.substr(0, blank);
  Item item = make_item(std::move(line), "", {before + option1, before + option2}, answer == "1" ? 0 : 1);
  // Partial evaluation: the options change the context, and what follows them is scored.
  item.contexts = {before + option1, before + option2};
  item.continuations = {" " + rest};
  item.target = rest;
  return item;
}

Result<Item> mmlu_item(TaskLine line) {
  const Fields fields(line.json, line.place);
  LIEQ_ASSIGN(const std::string question, required_string(fields, "question"));
  LIEQ_ASSIGN(const auto choices, strings(line.json, line.place, "choices", 4, 4));
  LIEQ_ASSIGN(const std::size_t gold, choice_index(line.json, line.place, "answer", 4));
  std::string context = fmt::format("{}\nA. {}\nB. {}\nC. {}\nD. {}\nAnswer:", python_strip(question), choices[0],
                                    choices[1], choices[2], choices[3]);
  return make_item(std::move(line), std::move(context), {"A", "B", "C", "D"}, gold);
}

std::string mmlu_preamble(std::string_view subject, std::span<const Item> examples) {
  std::string text = fmt::format("The following are multiple choice questions (with answers) about {}.\n\n",
                                 python_replace(subject, "_", " "));
  for (const Item& example : examples) text += example.contexts[0] + example.continuations[example.gold] + "\n\n";
  return text;
}

}  // namespace lieq::eval
