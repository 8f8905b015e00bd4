#include "lieq/jinja/interpreter.h"

#include <utility>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/jinja/python_text.h"

namespace lieq::jinja {

Interpreter::~Interpreter() {
  // Namespaces and scopes may hold one another in circles.
  for (const auto& space : namespaces_) space->attributes.entries.clear();
  for (const ScopePtr& scope : kept_) scope->names.clear();
}

Result<std::string> Interpreter::run(const Block& block) {
  LIEQ_TRY(execute(block, inside(nullptr)));
  return std::move(out_);
}

Result<void> Interpreter::spend(std::size_t work) {
  if (work > kMaxWork - work_) return type_error("the template does more work than it may");
  work_ += work;
  return {};
}

Result<std::string> Interpreter::text(const Value& value) {
  LIEQ_TRY(spend(value.weight()));
  return to_text(value);
}

std::shared_ptr<Namespace> Interpreter::make_namespace() {
  namespaces_.push_back(std::make_shared<Namespace>());
  return namespaces_.back();
}

Result<void> Interpreter::print(std::string_view text) {
  LIEQ_TRY(spend(text.size()));
  out_ += text;
  return {};
}

Result<std::string> Interpreter::capture(const Block& block, const ScopePtr& scope, Flow* flow) {
  std::string outer = std::exchange(out_, {});
  auto done = execute(block, scope);
  std::string captured = std::exchange(out_, std::move(outer));
  if (!done) return Unexpected(std::move(done).error());
  if (flow != nullptr) *flow = *done;
  return captured;
}

Result<Interpreter::Flow> Interpreter::execute(const Block& block, const ScopePtr& scope) {
  if (++depth_ > kMaxDepth) return type_error("the template nests calls and blocks too deeply");
  for (const Statement& statement : block) {
    auto flow = execute(statement, scope);
    if (!flow && !std::exchange(located_, true))
      flow.error().message = fmt::format("line {}: {}", statement.line, printable(flow.error().message, 400));
    if (!flow || *flow != Flow::kNormal) return --depth_, flow;
  }
  --depth_;
  return Flow::kNormal;
}

Result<Interpreter::Flow> Interpreter::execute(const Statement& statement, const ScopePtr& scope) {
  LIEQ_TRY(spend(16));
  switch (statement.kind) {
    case Statement::Kind::kText: LIEQ_TRY(print(statement.text)); break;
    case Statement::Kind::kPrint: {
      LIEQ_ASSIGN(const Value value, evaluate(*statement.value, scope));
      LIEQ_ASSIGN(const std::string written, text(value));
      LIEQ_TRY(print(written));
      break;
    }
    case Statement::Kind::kIf: return execute_if(statement, scope);
    case Statement::Kind::kFor: {
      LIEQ_ASSIGN(const Value over, evaluate(*statement.value, scope));
      return execute_for(statement, scope, over, 0);
    }
    case Statement::Kind::kSet: {
      LIEQ_ASSIGN(const Value value, evaluate(*statement.value, scope));
      LIEQ_TRY(assign(*statement.target, value, scope));
      break;
    }
    case Statement::Kind::kSetBlock:
    case Statement::Kind::kFilterBlock: return execute_capture(statement, scope);
    case Statement::Kind::kMacro: scope->names[statement.text] = make_macro(statement, statement.text, scope); break;
    case Statement::Kind::kCallBlock: return execute_call_block(statement, scope);
    case Statement::Kind::kScope: return execute_scope(statement, scope);
    case Statement::Kind::kBreak: return Flow::kBreak;
    case Statement::Kind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

Result<Interpreter::Flow> Interpreter::execute_if(const Statement& statement, const ScopePtr& scope) {
  for (const auto& [condition, block] : statement.branches) {
    if (condition) {
      LIEQ_ASSIGN(const Value value, evaluate(*condition, scope));
      if (!value.truthy()) continue;
    }
    return execute(block, scope);
  }
  return Flow::kNormal;
}

/// {% set %} and {% filter %} around a body.
Result<Interpreter::Flow> Interpreter::execute_capture(const Statement& statement, const ScopePtr& scope) {
  Flow flow = Flow::kNormal;
  LIEQ_ASSIGN(std::string captured, capture(statement.body, inside(scope), &flow));
  Value value = std::move(captured);
  if (statement.value) {
    Value outer = std::exchange(filter_input_, value);
    auto filtered = evaluate(*statement.value, scope);
    filter_input_ = std::move(outer);
    if (!filtered) return Unexpected(std::move(filtered).error());
    value = std::move(*filtered);
  }
  if (statement.kind == Statement::Kind::kSetBlock) {
    LIEQ_TRY(assign(*statement.target, value, scope));
  } else {
    LIEQ_ASSIGN(const std::string written, text(value));
    LIEQ_TRY(print(written));
  }
  return flow;
}

Result<Interpreter::Flow> Interpreter::execute_scope(const Statement& statement, const ScopePtr& scope) {
  const ScopePtr inner = inside(scope);
  for (const auto& [target, expression] : statement.assignments) {
    LIEQ_ASSIGN(const Value value, evaluate(*expression, scope));  // they do not see one another
    LIEQ_TRY(assign(*target, value, inner));
  }
  return execute(statement.body, inner);
}

Result<void> Interpreter::assign(const Expression& target, const Value& value, const ScopePtr& scope) {
  if (target.kind == Expression::Kind::kName) {
    scope->names[target.name] = value;
    return {};
  }
  if (target.kind == Expression::Kind::kAttribute) {
    Namespace* space = look_up(target.parts[0]->name, scope).name_space();
    if (space == nullptr)
      return type_error(
          fmt::format("cannot assign to {0}.{1}: {0} is no namespace", target.parts[0]->name, target.name));
    LIEQ_TRY(spend(space->attributes.entries.size()));
    space->attributes.set(target.name, value);
    return {};
  }
  LIEQ_ASSIGN(const std::vector<Value> items, iterate(value));
  if (items.size() != target.parts.size())
    return type_error(fmt::format("found {} values to assign, expected {}", items.size(), target.parts.size()));
  for (std::size_t i = 0; i < items.size(); ++i) LIEQ_TRY(assign(*target.parts[i], items[i], scope));
  return {};
}

}  // namespace lieq::jinja
