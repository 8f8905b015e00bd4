#include "lieq/cli/eval_samples.h"

#include <fmt/format.h>

#include "lieq/base/json.h"
#include "lieq/eval/task_results.h"
#include "lieq/io/atomic_file.h"

namespace lieq::cli {

Result<void> write_samples(const std::filesystem::path& file, const eval::Task& task, std::span<const eval::Item> items,
                           std::span<const eval::ItemScores> scores) {
  const eval::Answers answers = eval::grade(items, scores);
  std::string lines;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const eval::Item& item = items[i];
    Json arguments = Json::object(), responses = Json::array(), filtered = Json::array();
    for (std::size_t c = 0; c < item.num_choices(); ++c) {
      arguments[fmt::format("gen_args_{}", c)] = {{"arg_0", item.context(c)}, {"arg_1", item.continuation(c)}};
      // The harness logs numbers and truth values as Python prints them.
      const Json response = {fmt::format("{}", scores[i][c].loglik), scores[i][c].greedy ? "True" : "False"};
      responses.push_back(Json::array({response}));
      filtered.push_back(response);
    }
    Json line = {{"doc_id", item.index},
                 {"doc", item.doc},
                 {"target", item.target},
                 {"arguments", arguments},
                 {"resps", responses},
                 {"filtered_resps", filtered},
                 {"filter", "none"},
                 {"metrics", Json::array({"acc"})},
                 {"acc", answers.acc[i] ? 1.0 : 0.0}};
    if (eval::has_acc_norm(task)) {
      line["metrics"].push_back("acc_norm");
      line["acc_norm"] = answers.acc_norm[i] ? 1.0 : 0.0;
    }
    lines += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return io::write_file(file, lines);
}

}  // namespace lieq::cli
