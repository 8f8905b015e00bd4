/// The functions every chat template knows.

#include <array>
#include <ctime>

#include <fmt/format.h>

#include "lieq/jinja/interpreter.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {
namespace {

using Function = Result<Value> (*)(Interpreter& interpreter, const Arguments& given);

Result<Value> range_function(Interpreter& interpreter, const Arguments& given) {
  constexpr std::int64_t kMost = 100000;  // as in Jinja's sandbox
  std::array<std::int64_t, 3> bounds = {0, 0, 1};
  const std::size_t count = given.positional.size();
  if (count < 1 || count > 3) return type_error(fmt::format("range: found {} arguments, expected 1 to 3", count));
  for (std::size_t i = 0; i < count; ++i) {
    if (!given.positional[i].integer())
      return type_error(
          fmt::format("'{}' object cannot be interpreted as an integer", given.positional[i].type_name()));
    bounds[count == 1 ? 1 : i] = *given.positional[i].integer();
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) return type_error("range() arg 3 must not be zero");
  std::vector<Value> items;
  std::int64_t at = start;
  while (step > 0 ? at < stop : at > stop) {
    if (static_cast<std::int64_t>(items.size()) == kMost)
      return type_error(fmt::format("range too big, the most is {}", kMost));
    items.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  LIEQ_TRY(interpreter.spend(16 * items.size()));
  const Value range = Value::list(std::move(items), Sequence::Kind::kRange);
  range.sequence()->written =
      step == 1 ? fmt::format("range({}, {})", start, stop) : fmt::format("range({}, {}, {})", start, stop, step);
  return range;
}

/// dict(mapping or pairs, name=value, ...)
Result<Value> dict_function(Interpreter& interpreter, const Arguments& given) {
  if (given.positional.size() > 1) return type_error("dict: expected at most one argument without a name");
  Dict dict;
  if (!given.positional.empty() && given.positional[0].dict()) {
    dict.entries = given.positional[0].dict()->entries;
  } else if (!given.positional.empty()) {
    LIEQ_ASSIGN(const std::vector<Value> pairs, interpreter.iterate(given.positional[0]));
    for (const Value& pair : pairs) {
      LIEQ_ASSIGN(const std::vector<Value> parts, interpreter.iterate(pair));
      if (parts.size() != 2 || !parts[0].string()) return type_error("dict: expected pairs of a string and a value");
      LIEQ_TRY(interpreter.spend(dict.entries.size()));
      dict.set(parts[0], parts[1]);
    }
  }
  LIEQ_TRY(interpreter.spend(dict.entries.size() * (1 + given.named.size())));
  for (const auto& [key, value] : given.named) dict.set(key, value);
  return Value::dict(std::move(dict));
}

Result<Value> namespace_function(Interpreter& interpreter, const Arguments& given) {
  LIEQ_ASSIGN(const Value start, dict_function(interpreter, given));
  LIEQ_TRY(interpreter.spend(256));
  const auto space = interpreter.make_namespace();
  space->attributes = *start.dict();
  return Value(space);
}

Result<Value> raise_exception(Interpreter& interpreter, const Arguments& given) {
  const Value* message = given.find(0, "message");
  if (!message) return type_error("raise_exception: expected a message");
  LIEQ_ASSIGN(const std::string text, interpreter.text(*message));
  return fail(ErrorCode::kInvalidArgument, "the template refuses the conversation: " + text);
}

Result<Value> strftime_now(Interpreter&, const Arguments& given) {
  const Value* format = given.find(0, "format");
  if (!format || !format->string() || format->string()->size() > 256)
    return type_error("strftime_now: expected a short format string");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 4096> buffer{};
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), format->string()->c_str(), &local);
  return std::string(buffer.data(), size);
}

}  // namespace

std::optional<Value> global_function(Interpreter& interpreter, std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Function>, 5> kFunctions = {{{"range", range_function},
                                                                                {"dict", dict_function},
                                                                                {"namespace", namespace_function},
                                                                                {"raise_exception", raise_exception},
                                                                                {"strftime_now", strftime_now}}};
  for (const auto& [known, function] : kFunctions) {
    if (known != name) continue;
    const auto call = [function, &interpreter](const Arguments& given) { return function(interpreter, given); };
    return Value(std::make_shared<const Callable>(Callable{.name = std::string(name), .call = call}));
  }
  return std::nullopt;
}

}  // namespace lieq::jinja
