#include "lieq/jinja/template.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/jinja/interpreter.h"
#include "lieq/jinja/parser.h"

namespace lieq::jinja {
namespace {

/// Errors: kInvalidFormat for nesting beyond kMaxValueDepth.
Result<Value> from_json(const OrderedJson& json, std::size_t depth = 0) {
  if (depth > kMaxValueDepth) return type_error(fmt::format("found values nested deeper than {}", kMaxValueDepth));
  if (json.is_null()) return None{};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
    return json.get<double>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    std::vector<Value> items;
    for (const OrderedJson& item : json) {
      LIEQ_ASSIGN(Value value, from_json(item, depth + 1));
      items.push_back(std::move(value));
    }
    return Value::list(std::move(items));
  }
  Dict dict;
  for (const auto& [key, item] : json.items()) {
    LIEQ_ASSIGN(Value value, from_json(item, depth + 1));
    dict.entries.emplace_back(key, std::move(value));  // keys of one object differ
  }
  return Value::dict(std::move(dict));
}

template <class T>
Result<T> at_place(Result<T> result, const std::string& place) {
  if (!result) result.error().message = place + ": " + result.error().message;
  return result;
}

}  // namespace

struct Template::Tree {
  Block block;
};

Result<Template> Template::parse(std::string_view source, std::string place) {
  auto parsed = jinja::parse(source);
  if (!parsed) parsed.error().message = printable(parsed.error().message, 400);  // it quotes the template
  LIEQ_ASSIGN(Block block, at_place(std::move(parsed), place));
  return Template(std::move(place), std::make_shared<const Tree>(Tree{std::move(block)}));
}

Result<std::string> Template::render(const OrderedJson& variables) const {
  LIEQ_ASSIGN(const Value values, at_place(from_json(variables), place_));
  if (!values.dict()) return fail(ErrorCode::kInvalidArgument, place_ + ": variables: expected an object");
  return at_place(Interpreter(*values.dict()).run(tree_->block), place_);
}

}  // namespace lieq::jinja
