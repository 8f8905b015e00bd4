#include "lieq/eval/windows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lieq/base/check.h"
#include "lieq/eval/python_text.h"

namespace lieq::eval {
namespace {

using model::TokenId;

/// Deletes the white space behind `open` and before `close` of every pair without another `close` between them.
std::string tighten(std::string_view text, char open, char close) {
  std::string tight;
  while (!text.empty()) {
    const std::size_t begin = text.find(open);
    const std::size_t end = begin == std::string_view::npos ? begin : text.find(close, begin + 1);
    if (end == std::string_view::npos) break;
    tight += text.substr(0, begin + 1);
    tight += python_strip(text.substr(begin + 1, end - begin - 1));
    tight += close;
    text.remove_prefix(end + 1);
  }
  return tight.append(text);
}

/// " = Title = " and no deeper heading.
bool is_page_heading(std::string_view line) {
  const std::string shorter = python_replace(python_replace(line, "= = =", "==="), "= =", "==");
  const std::string_view heading = python_strip(shorter);
  return heading.starts_with("= ") && heading.ends_with(" =");
}

}  // namespace

WindowPlan gptq_windows(std::vector<TokenId> ids, std::size_t window, std::size_t stride) {
  LIEQ_CHECK(window >= 2 && stride >= 1 && stride <= window);
  WindowPlan plan{std::move(ids), {}};
  for (std::size_t begin = 0; begin + window <= plan.ids.size(); begin += stride)
    plan.windows.push_back({begin, window, begin == 0 || stride == window ? 1 : window - stride});
  return plan;
}

WindowPlan llamacpp_windows(std::vector<TokenId> ids, std::size_t window, TokenId bos) {
  LIEQ_CHECK(window >= 4);
  WindowPlan plan{std::move(ids), {}};
  for (std::size_t begin = 0; begin + window <= plan.ids.size(); begin += window) {
    if (bos >= 0) plan.ids[begin] = bos;
    plan.windows.push_back({begin, window, window / 2 + 1});
  }
  return plan;
}

void append_rolling_windows(std::span<const TokenId> document, std::size_t max_length, TokenId prefix,
                            WindowPlan& plan) {
  const std::size_t start = plan.ids.size();  // of the prefix; token t of the document is at start + 1 + t
  plan.ids.push_back(prefix);
  plan.ids.insert(plan.ids.end(), document.begin(), document.end());
  std::size_t scored = 0;
  while (scored < document.size()) {
    const std::size_t count = std::min(document.size() - scored, max_length);
    const std::size_t end = scored + count;
    // The first window goes on from the prefix; a later one is as long as the model allows.
    const std::size_t begin = scored == 0 ? 0 : end - max_length;
    plan.windows.push_back({start + begin, end + 1 - begin, scored + 1 - begin});
    scored = end;
  }
}

std::vector<std::string> wikitext_pages(std::string_view text) {
  std::vector<std::string> pages;
  std::string page;
  bool empty = true;
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (is_page_heading(line)) {
      if (!python_strip(page).empty()) pages.push_back(page);
      page.clear();
      empty = true;
    }
    page.append(empty ? "" : "\n").append(line);
    empty = false;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  pages.push_back(page);
  return pages;
}

std::string wikitext_detokenize(std::string page) {
  using Replacement = std::pair<std::string_view, std::string_view>;
  static constexpr std::array<Replacement, 9> kBefore = {{{" @-@ ", "-"},
                                                          {" @,@ ", ","},
                                                          {" @.@ ", "."},
                                                          {" : ", ": "},
                                                          {" ; ", "; "},
                                                          {" . ", ". "},
                                                          {" ! ", "! "},
                                                          {" ? ", "? "},
                                                          {" , ", ", "}}};
  static constexpr std::array<Replacement, 8> kAfter = {{{"= = = =", "===="},
                                                         {"= = =", "==="},
                                                         {"= =", "=="},
                                                         {" \u00B0 ", "\u00B0"},
                                                         {" \n", "\n"},
                                                         {"\n ", "\n"},
                                                         {" N ", " 1 "},
                                                         {" 's", "'s"}}};
  page = python_replace(page, "s '", "s'");
  // The harness's pattern has slashes in it by mistake, and puts in its own replacement's brackets; scores depend on
  // it.
  for (char digit = '0'; digit <= '9'; ++digit)
    page = python_replace(page, std::string("/' ") + digit + "/", "/'[0-9]/");
  for (const auto& [from, to] : kBefore) page = python_replace(page, from, to);
  for (const auto& [open, close] : {std::pair{'(', ')'}, {'[', ']'}, {'{', '}'}, {'"', '"'}, {'\'', '\''}})
    page = tighten(page, open, close);
  for (const auto& [from, to] : kAfter) page = python_replace(page, from, to);
  return page;
}

}  // namespace lieq::eval
