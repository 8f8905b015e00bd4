#include "lieq/eval/tasks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "lieq/base/record_fields.h"
#include "lieq/eval/mmlu_subjects.h"
#include "lieq/eval/task_prompts.h"

namespace lieq::eval {

/// How the records of a task become items, and what the harness says of it.
struct TaskFormat {
  std::string_view name;
  double version;
  bool acc_norm;
  Result<Item> (*item)(TaskLine line);
  std::vector<std::string_view> fields;  ///< the hub's columns, those of nested records among them
};

namespace {

const std::vector<TaskFormat>& formats() {
  static const std::vector<std::string_view> arc = {"id", "question", "choices", "text", "label", "answerKey"};
  static const std::vector<TaskFormat> all = {
      {"piqa", 1, true, piqa_item, {"goal", "sol1", "sol2", "label"}},
      {"arc_easy", 1, true, arc_item, arc},
      {"arc_challenge", 1, true, arc_item, arc},
      {"boolq", 2, false, boolq_item, {"question", "passage", "idx", "label"}},
      {"hellaswag",
       1,
       true,
       hellaswag_item,
       {"ind", "activity_label", "ctx_a", "ctx_b", "ctx", "endings", "source_id", "split", "split_type", "label",
        "query", "choices", "gold"}},
      {"winogrande", 1, false, winogrande_item, {"sentence", "option1", "option2", "answer"}},
      {"mmlu", 1, false, mmlu_item, {"question", "subject", "choices", "answer"}},
  };
  return all;
}
constexpr std::string_view kMmlu = "mmlu";

const TaskFormat* find_format(std::string_view name) {
  const auto found = std::ranges::find(formats(), name, &TaskFormat::name);
  return found == formats().end() ? nullptr : &*found;
}

void add_task(TaskSelection& selection, Task task) {
  if (std::ranges::find(selection.tasks, task.name, &Task::name) == selection.tasks.end())
    selection.tasks.push_back(std::move(task));
}

void add_group(TaskSelection& selection, TaskGroup group) {
  if (std::ranges::find(selection.groups, group.name, &TaskGroup::name) == selection.groups.end())
    selection.groups.push_back(std::move(group));
}

std::string blanks(std::string_view name) {
  std::string text(name);
  std::ranges::replace(text, '_', ' ');
  return text;
}

/// Adds what of MMLU bears the name: everything, a group or a subject. False if nothing does.
bool select_mmlu(std::string_view name, TaskSelection& selection) {
  TaskGroup all{"mmlu", "mmlu", {"mmlu_stem", "mmlu_other", "mmlu_social_sciences", "mmlu_humanities"}};
  std::map<std::string, TaskGroup> groups;
  bool found = false;
  for (const MmluSubject& subject : mmlu_subjects()) {
    const std::string task = fmt::format("mmlu_{}", subject.name), group = fmt::format("mmlu_{}", subject.group);
    if (name != kMmlu && name != group && name != task) continue;
    found = true;
    add_task(selection, {task, std::string(subject.name), std::string(subject.name), find_format(kMmlu)});
    if (name == task) continue;
    const auto entry = groups.try_emplace(group, TaskGroup{group, blanks(subject.group), {}}).first;
    entry->second.children.push_back(task);
  }
  if (name == kMmlu) add_group(selection, std::move(all));
  for (auto& [key, group] : groups) add_group(selection, std::move(group));
  return found;
}

/// Records of the subject, all of them for a task without subjects.
Result<std::vector<TaskLine>> lines_of(const std::vector<TaskLine>& lines, const std::string& subject) {
  std::vector<TaskLine> chosen;
  for (const TaskLine& line : lines) {
    if (!subject.empty()) {
      LIEQ_ASSIGN(const std::string found, required_string(Fields(line.json, line.place), "subject"));
      if (found != subject) continue;
    }
    chosen.push_back(line);
  }
  return chosen;
}

std::size_t limited(std::size_t count, double limit) {
  if (limit <= 0) return count;
  const double wanted = limit < 1 ? std::ceil(static_cast<double>(count) * limit) : std::floor(limit);
  return std::min(count, static_cast<std::size_t>(std::min(wanted, static_cast<double>(count))));
}

Result<std::vector<Item>> make_items(const TaskFormat& format, const std::vector<TaskLine>& lines, std::size_t count) {
  std::vector<Item> items;
  for (std::size_t i = 0; i < count; ++i) {
    LIEQ_ASSIGN(Item item, format.item(lines[i]));
    item.index = i;
    items.push_back(std::move(item));
  }
  return items;
}

/// Puts description and examples before every question of an MMLU subject.
Result<void> add_preamble(const Task& task, const std::vector<TaskLine>& dev, std::size_t num_fewshot,
                          std::vector<Item>& items) {
  LIEQ_ASSIGN(const std::vector<TaskLine> lines, lines_of(dev, task.subject));
  if (lines.size() < num_fewshot)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--num-fewshot: found {}, expected at most {}, the examples of {}", num_fewshot,
                            lines.size(), task.name));
  LIEQ_ASSIGN(const std::vector<Item> examples, make_items(*task.format, lines, num_fewshot));
  const std::string preamble = mmlu_preamble(task.subject, examples);
  for (Item& item : items) item.contexts[0] = preamble + item.contexts[0];
  return {};
}

OrderedJson in_order(const Json& value, const std::vector<std::string_view>& fields) {
  if (!value.is_object()) return OrderedJson(value);
  OrderedJson ordered = OrderedJson::object();
  for (const std::string_view field : fields)
    if (const auto found = value.find(field); found != value.end())
      ordered[std::string(field)] = in_order(*found, fields);
  for (const auto& [key, other] : value.items())
    if (!ordered.contains(key)) ordered[key] = in_order(other, fields);
  return ordered;
}

}  // namespace

double version(const Task& task) { return task.format->version; }
bool has_acc_norm(const Task& task) { return task.format->acc_norm; }
OrderedJson as_on_hub(const Task& task, const Json& doc) { return in_order(doc, task.format->fields); }

Result<TaskSelection> select_tasks(const std::vector<std::string>& names) {
  TaskSelection selection;
  for (const std::string& name : names) {
    if (select_mmlu(name, selection)) continue;
    const TaskFormat* format = find_format(name);
    if (!format) {
      std::vector<std::string_view> known;
      for (const TaskFormat& one : formats()) known.push_back(one.name);
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format(
              "task '{}': unknown, expected one of {}, mmlu_stem, mmlu_other, mmlu_social_sciences, mmlu_humanities, "
              "mmlu_SUBJECT; for perplexity wikitext2, ptb, c4 or wikitext",
              name, fmt::join(known, ", ")));
    }
    add_task(selection, {name, name, "", format});
  }
  return selection;
}

Result<std::vector<TaskItems>> load_items(const std::vector<Task>& tasks, const FindData& find,
                                          const ItemOptions& options) {
  struct Data {
    std::filesystem::path path;
    std::vector<TaskLine> lines;
  };
  std::map<std::string, Data> data;  // each file is read once, however many subjects it holds
  const auto read = [&](const std::string& name) -> Result<const Data*> {
    if (!data.contains(name)) {
      LIEQ_ASSIGN(const std::filesystem::path path, find(name));
      LIEQ_ASSIGN(data[name].lines, read_task_lines(path));
      data[name].path = path;
    }
    return &data[name];
  };
  const auto takes_examples = [](const Task& task) { return !task.subject.empty(); };
  if (options.num_fewshot > 0 && std::ranges::none_of(tasks, takes_examples))
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("--num-fewshot: found {}, expected 0 (only mmlu has examples to show)", options.num_fewshot));
  std::vector<TaskItems> all;
  for (const Task& task : tasks) {
    LIEQ_ASSIGN(const Data* records, read(std::string(task.format->name)));
    LIEQ_ASSIGN(const std::vector<TaskLine> lines, lines_of(records->lines, task.subject));
    if (lines.empty())
      return fail(ErrorCode::kNotFound,
                  fmt::format("{}: found no records of {}, expected some", records->path.string(), task.name));
    TaskItems found;
    found.original = lines.size();
    found.num_fewshot = takes_examples(task) ? options.num_fewshot : 0;
    LIEQ_ASSIGN(found.items, make_items(*task.format, lines, limited(lines.size(), options.limit)));
    if (takes_examples(task)) {
      static const Data kNone;
      const Data* dev = &kNone;
      if (options.num_fewshot > 0) {
        LIEQ_ASSIGN(dev, read("mmlu_dev"));
      }
      LIEQ_TRY(add_preamble(task, dev->lines, options.num_fewshot, found.items));
    }
    all.push_back(std::move(found));
  }
  return all;
}

}  // namespace lieq::eval
