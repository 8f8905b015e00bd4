/// Macros, and call blocks, which pass one to another.

#include <utility>

#include <fmt/format.h>

#include "lieq/jinja/interpreter.h"

namespace lieq::jinja {

Value Interpreter::make_macro(const Statement& macro, std::string name, const ScopePtr& scope) {
  kept_.push_back(scope);  // the macro may outlive it, and must not own it: the scope holds the macro
  Callable made{.name = name, .call = {}};
  made.call = [this, &macro, name = std::move(name), definition = std::weak_ptr<Scope>(scope)](const Arguments& given) {
    return call_macro(macro, name, definition.lock(), given);
  };
  return std::make_shared<const Callable>(std::move(made));
}

Result<void> Interpreter::bind(const Statement& macro, const std::string& name, const Arguments& arguments,
                               const ScopePtr& scope) {
  const Signature& signature = macro.signature;
  const std::size_t count = signature.names.size(), required = count - signature.defaults.size();
  if (arguments.positional.size() > count && !signature.uses_varargs)
    return type_error(
        fmt::format("macro '{}': found {} arguments, expected at most {}", name, arguments.positional.size(), count));
  for (std::size_t i = 0; i < count; ++i) {
    Value value = Undefined{signature.names[i]};
    if (const Value* given = arguments.find(i, signature.names[i])) {
      value = *given;
    } else if (i >= required) {
      LIEQ_ASSIGN(value, evaluate(*signature.defaults[i - required], scope));
    }
    scope->names[signature.names[i]] = std::move(value);
  }
  std::vector<Value> rest;
  for (std::size_t i = count; i < arguments.positional.size(); ++i) rest.push_back(arguments.positional[i]);
  if (signature.uses_varargs) scope->names["varargs"] = Value::list(std::move(rest), Sequence::Kind::kTuple);
  Dict others;
  for (const auto& [key, value] : arguments.named) {
    bool known = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (signature.names[i] != key) continue;
      if (i < arguments.positional.size())
        return type_error(fmt::format("macro '{}': found two values for '{}'", name, key));
      known = true;
    }
    if (known) continue;
    if (key == "caller" && signature.uses_caller) {
      scope->names["caller"] = value;
    } else if (signature.uses_kwargs) {
      others.set(key, value);
    } else {
      return type_error(fmt::format("macro '{}': found an argument named '{}', which it does not take", name, key));
    }
  }
  if (signature.uses_caller) scope->names.try_emplace("caller", Undefined{"caller"});
  if (signature.uses_kwargs) scope->names["kwargs"] = Value::dict(std::move(others));
  return {};
}

Result<Value> Interpreter::call_macro(const Statement& macro, const std::string& name, const ScopePtr& definition,
                                      const Arguments& arguments) {
  const ScopePtr scope = inside(definition);
  LIEQ_TRY(bind(macro, name, arguments, scope));
  LIEQ_ASSIGN(std::string printed, capture(macro.body, scope));
  return printed;
}

Result<Interpreter::Flow> Interpreter::execute_call_block(const Statement& statement, const ScopePtr& scope) {
  const Value caller = make_macro(statement, "caller", scope);
  LIEQ_ASSIGN(const Value value, evaluate_call(*statement.value, scope, &caller));
  LIEQ_ASSIGN(const std::string written, text(value));
  LIEQ_TRY(print(written));
  return Flow::kNormal;
}

}  // namespace lieq::jinja
