#include "lieq/grammar/number_range.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lieq::grammar {
namespace {

Expression digit_between(Rules& rules, char first, char last) {
  if (first > last) return rules.nothing();
  return rules.set({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
}

Expression free_digits(Rules& rules, std::size_t count) {
  return rules.repeat(digit_between(rules, '0', '9'), count, count);
}

/// Digit strings of one length from `low` to `high`; an empty view leaves that side open.
Expression same_length(Rules& rules, std::string_view low, std::string_view high, std::size_t length) {
  if (length == 0) return rules.empty();
  if (low.empty() && high.empty()) return free_digits(rules, length);
  const char first = low.empty() ? '0' : low[0], last = high.empty() ? '9' : high[0];
  const std::string_view low_rest = low.empty() ? low : low.substr(1), high_rest = high.empty() ? high : high.substr(1);
  const auto then = [&](char a, char b, std::string_view l, std::string_view h) {
    return rules.sequence({digit_between(rules, a, b), same_length(rules, l, h, length - 1)});
  };
  if (!low.empty() && !high.empty() && first == last) return then(first, last, low_rest, high_rest);
  std::vector<Expression> options;
  if (!low.empty()) options.push_back(then(first, first, low_rest, {}));
  if (!high.empty()) options.push_back(then(last, last, {}, high_rest));
  const char inner_first = low.empty() ? first : static_cast<char>(first + 1);
  const char inner_last = high.empty() ? last : static_cast<char>(last - 1);
  if (inner_first <= inner_last) options.push_back(then(inner_first, inner_last, {}, {}));
  return rules.choice(std::move(options));
}

/// 0 <= low.
Expression magnitudes(Rules& rules, std::int64_t low, std::int64_t high) {
  std::vector<Expression> options;
  while (low <= high) {
    const std::string digits = std::to_string(low);
    const std::string top(digits.size(), '9');
    const std::int64_t last = std::min(high, static_cast<std::int64_t>(std::stoll(top)));
    options.push_back(same_length(rules, digits, std::to_string(last), digits.size()));
    low = last + 1;
  }
  return rules.choice(std::move(options));
}

/// Numbers with or without decimals from `low` >= 0 to `high`.
Expression decimal_magnitudes(Rules& rules, std::int64_t low, std::int64_t high) {
  if (low > high) return rules.nothing();
  const auto decimals = [&](char last) {
    return rules.optional(rules.sequence({rules.text("."), rules.repeat(digit_between(rules, '0', last), 1, 24)}));
  };
  return rules.choice({rules.sequence({magnitudes(rules, low, high - 1), decimals('9')}),
                       rules.sequence({magnitudes(rules, high, high), decimals('0')})});
}

Expression with_signs(Rules& rules, std::int64_t low, std::int64_t high, std::int64_t least_negative,
                      Expression (*make)(Rules&, std::int64_t, std::int64_t)) {
  low = std::max(low, -kLargestInteger);
  high = std::min(high, kLargestInteger);
  if (low > high) return rules.nothing();
  std::vector<Expression> options;
  if (high >= 0) options.push_back(make(rules, std::max<std::int64_t>(low, 0), high));
  if (low < 0) {
    const Expression size = make(rules, std::max<std::int64_t>(-high, least_negative), -low);
    options.push_back(rules.sequence({rules.text("-"), size}));
  }
  return rules.choice(std::move(options));
}

}  // namespace

Expression integers_between(Rules& rules, std::int64_t low, std::int64_t high) {
  return with_signs(rules, low, high, 1, magnitudes);
}

Expression numbers_between(Rules& rules, std::int64_t low, std::int64_t high) {
  return with_signs(rules, low, high, 0, decimal_magnitudes);
}

}  // namespace lieq::grammar
