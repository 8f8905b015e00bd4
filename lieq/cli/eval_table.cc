#include "lieq/cli/eval_table.h"

#include <fmt/format.h>

#include "lieq/cli/table.h"

namespace lieq::cli {

std::string eval_table(const std::vector<EvalRecord>& records) {
  std::vector<std::vector<std::string>> rows;
  for (const EvalRecord& r : records) {
    rows.push_back({r.model, fmt::format("{:.2f}", r.code_bits), fmt::format("{:.2f}", r.true_bits),
                    bytes_text(r.file_bytes), fmt::format("{:.4f} ± {:.4f}", r.perplexity, r.perplexity_stderr),
                    r.kl ? fmt::format("{:.5f}", *r.kl) : "-", r.top1 ? fmt::format("{:.2f} %", 100 * *r.top1) : "-"});
  }
  return table({"model", "code bits", "true bits", "size", "perplexity", "KL", "top-1"}, rows);
}

}  // namespace lieq::cli
