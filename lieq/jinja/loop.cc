/// The loops of templates.

#include <algorithm>

#include <fmt/format.h>

#include "lieq/jinja/interpreter.h"

namespace lieq::jinja {

/// What `loop` speaks of.
struct Interpreter::Loop {
  std::vector<Value> items;
  std::size_t index = 0, depth = 0;
  std::vector<Value> changed;  ///< what loop.changed() was last given
  bool was_asked = false, over = false;

  [[nodiscard]] std::optional<Value> attribute(std::string_view name) const {
    const std::size_t count = items.size();
    if (name == "index") return Value::size(index + 1);
    if (name == "index0") return Value::size(index);
    if (name == "revindex") return Value::size(count - index);
    if (name == "revindex0") return Value::size(count - index - 1);
    if (name == "first") return index == 0;
    if (name == "last") return index + 1 == count;
    if (name == "length") return Value::size(count);
    if (name == "depth") return Value::size(depth + 1);
    if (name == "depth0") return Value::size(depth);
    if (name == "previtem") return index == 0 ? Value(Undefined{"loop.previtem"}) : items[index - 1];
    if (name == "nextitem") return index + 1 == count ? Value(Undefined{"loop.nextitem"}) : items[index + 1];
    return std::nullopt;
  }
};

Value Interpreter::loop_object(const std::shared_ptr<Loop>& loop, const Statement& statement, const ScopePtr& scope) {
  const auto cycle = [loop](const Arguments& given) -> Result<Value> {
    if (given.positional.empty()) return type_error("loop.cycle: found no arguments, expected some");
    return given.positional[loop->index % given.positional.size()];
  };
  const auto changed = [loop](const Arguments& given) -> Result<Value> {
    if (loop->over)
      return type_error("loop.changed: found a call after the loop");  // it might store the loop in itself
    const bool differs = !loop->was_asked || !std::ranges::equal(loop->changed, given.positional, equal);
    loop->was_asked = true;
    loop->changed = given.positional;
    return differs;
  };
  Callable object{.name = "loop", .call = {}};
  for (const Value& item : loop->items) object.depth = std::max(object.depth, item.depth() + 1);
  object.attribute = [loop, cycle, changed](std::string_view name) -> std::optional<Value> {
    if (name == "cycle") return Value(std::make_shared<const Callable>(Callable{.name = "cycle", .call = cycle}));
    if (name == "changed") return Value(std::make_shared<const Callable>(Callable{.name = "changed", .call = changed}));
    return loop->attribute(name);
  };
  object.call = [this, &statement, scope, depth = loop->depth](const Arguments& given) -> Result<Value> {
    if (!statement.recursive) return type_error("found a call of loop, expected 'recursive' in its {% for %}");
    if (given.positional.size() != 1) return type_error("loop: expected one argument");
    std::string outer = std::exchange(out_, {});
    auto done = execute_for(statement, scope, given.positional[0], depth + 1);
    std::string printed = std::exchange(out_, std::move(outer));
    if (!done) return Unexpected(std::move(done).error());
    return printed;
  };
  return std::make_shared<const Callable>(std::move(object));
}

Result<std::vector<Value>> Interpreter::loop_items(const Statement& statement, const ScopePtr& scope,
                                                   const Value& over) {
  LIEQ_ASSIGN(std::vector<Value> items, iterate(over));
  if (!statement.condition) return items;
  std::vector<Value> kept;
  for (Value& one : items) {
    const ScopePtr inner = inside(scope);
    LIEQ_TRY(assign(*statement.target, one, inner));
    LIEQ_ASSIGN(const Value wanted, evaluate(*statement.condition, inner));
    if (wanted.truthy()) kept.push_back(std::move(one));
  }
  return kept;
}

Result<Interpreter::Flow> Interpreter::execute_for(const Statement& statement, const ScopePtr& scope, const Value& over,
                                                   std::size_t depth) {
  const auto loop = std::make_shared<Loop>();
  loop->depth = depth;
  LIEQ_ASSIGN(loop->items, loop_items(statement, scope, over));
  if (loop->items.empty()) return execute(statement.otherwise, inside(scope));
  const Value object = loop_object(loop, statement, scope);
  for (; loop->index < loop->items.size(); ++loop->index) {
    LIEQ_TRY(spend(64));
    const ScopePtr inner = inside(scope);
    inner->names["loop"] = object;
    LIEQ_TRY(assign(*statement.target, loop->items[loop->index], inner));
    LIEQ_ASSIGN(const Flow flow, execute(statement.body, inner));
    if (flow == Flow::kBreak) break;
  }
  loop->over = true;
  loop->changed.clear();
  loop->index = std::min(loop->index, loop->items.size() - 1);  // for who kept the loop object
  return Flow::kNormal;
}

}  // namespace lieq::jinja
