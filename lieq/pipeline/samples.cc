#include "lieq/pipeline/samples.h"

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/eval/task_results.h"
#include "lieq/hub/digest.h"
#include "lieq/io/atomic_file.h"

namespace lieq::pipeline {
namespace {

/// With an indent of 2 as Python's json.dumps(indent=2, ensure_ascii=False) writes it.
std::string text_of(const OrderedJson& json, int indent) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

Result<void> write_samples(const std::filesystem::path& file, const eval::Task& task, std::span<const eval::Item> items,
                           std::span<const eval::ItemScores> scores) {
  const eval::Answers answers = eval::grade(items, scores);
  std::string lines;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const eval::Item& item = items[i];
    OrderedJson arguments = OrderedJson::object(), responses = OrderedJson::array(), filtered = OrderedJson::array();
    for (std::size_t c = 0; c < item.num_choices(); ++c) {
      arguments[fmt::format("gen_args_{}", c)] = {{"arg_0", item.context(c)}, {"arg_1", item.continuation(c)}};
      // The harness logs numbers and truth values as Python prints them.
      const OrderedJson response = {fmt::format("{}", scores[i][c].loglik), scores[i][c].greedy ? "True" : "False"};
      responses.push_back(OrderedJson::array({response}));
      filtered.push_back(response);
    }
    const OrderedJson doc = eval::as_on_hub(task, item.doc);
    OrderedJson line = {{"doc_id", item.index},
                        {"doc", doc},
                        {"target", item.target},
                        {"arguments", arguments},
                        {"resps", responses},
                        {"filtered_resps", filtered},
                        {"filter", "none"},
                        {"metrics", OrderedJson::array({"acc"})},
                        {"doc_hash", hub::sha256(text_of(doc, 2))},
                        {"prompt_hash", hub::sha256(item.context(0))},
                        {"target_hash", hub::sha256(item.target)},
                        {"acc", answers.acc[i] ? 1.0 : 0.0}};
    if (eval::has_acc_norm(task)) {
      line["metrics"].push_back("acc_norm");
      line["acc_norm"] = answers.acc_norm[i] ? 1.0 : 0.0;
    }
    lines += text_of(line, -1) + "\n";
  }
  return io::write_file(file, lines);
}

}  // namespace lieq::pipeline
