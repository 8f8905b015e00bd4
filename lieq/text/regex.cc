/// Split patterns that are not written out in pretokenize.cc.

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "lieq/base/utf8.h"
#include "lieq/text/oniguruma.h"
#include "lieq/text/pretokenize.h"

namespace lieq::text {
namespace {

struct Free {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};

/// What one thread matches with.
struct Workspace {
  std::unique_ptr<pcre2_match_data, Free> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, Free> context{pcre2_match_context_create(nullptr)};

  /// Limits in proportion to the text: 10 MB of one letter must match, and a pattern that backtracks without end must
  /// stop.
  void limit(std::size_t size) const {
    const std::size_t steps = std::min<std::size_t>(1'000'000 + 64 * size, std::numeric_limits<std::uint32_t>::max());
    pcre2_set_match_limit(context.get(), static_cast<std::uint32_t>(steps));
    pcre2_set_depth_limit(context.get(), static_cast<std::uint32_t>(steps));
    pcre2_set_heap_limit(context.get(), 2U << 20);  // KiB
  }
};

class RegexFinder final : public Finder {
 public:
  explicit RegexFinder(pcre2_code* code) : code_(code) {}

  Match find(std::string_view text, std::size_t begin) const override {
    thread_local const Workspace workspace;
    const Match none{text.size(), text.size()};
    if (!workspace.data || !workspace.context) return none;
    workspace.limit(text.size());
    const auto match = [&](std::size_t from) -> Match {
      const auto run = [&](std::uint32_t options) {
        return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                           options | PCRE2_NO_UTF_CHECK, workspace.data.get(), workspace.context.get());
      };
      int found = run(0);
      if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(PCRE2_NO_JIT);  // its stack is on the heap
      if (found < 0) return none;
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(workspace.data.get());
      // \K can put the start of a match behind its end or before `from`; such a match is no piece.
      return ends[0] < from || ends[1] < ends[0] ? none : Match{ends[0], ends[1]};
    };
    // The reference goes over all matches, and on by a character from an empty one: where that is not at `begin`,
    // text is
    // cut there.
    const Match first = match(begin);
    if (first.begin != begin || first.end != begin) return first;
    return match(begin + decode_utf8(text, begin).bytes);
  }

 private:
  std::unique_ptr<pcre2_code, Free> code_;
};

}  // namespace

Result<std::unique_ptr<Splitter>> regex_splitter(std::string_view regex, MatchPolicy policy,
                                                 const std::string& place) {
  LIEQ_ASSIGN(const std::string pattern, pcre_from_oniguruma(regex, place));
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                   nullptr);
  if (code == nullptr) {
    std::array<PCRE2_UCHAR, 160> reason{};
    pcre2_get_error_message(error, reason.data(), reason.size());
    return fail(ErrorCode::kInvalidFormat, place + ": not a regular expression, at offset " + std::to_string(offset) +
                                               ": " + reinterpret_cast<const char*>(reason.data()));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, matching is slower and the result the same
  return match_splitter(std::make_unique<RegexFinder>(code), policy);
}

}  // namespace lieq::text
