#pragma once
/// Runs a parsed template.
///
/// Names live in scopes, as in Jinja: the template has one, each round of a loop its own, and so have macros, `with`,
/// filter and set blocks; `if` has none. `set` writes to the innermost scope, so nothing set in a loop outlives its
/// round.
///
/// A template is a stranger's program, so what it may use is bounded: work (kMaxWork), nesting of evaluation
/// (kMaxDepth) and of values (kMaxValueDepth); each ends in an error.

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/result.h"
#include "lieq/jinja/ast.h"
#include "lieq/jinja/value.h"

namespace lieq::jinja {

/// About one unit for each byte or list item made or looked at.
inline constexpr std::size_t kMaxWork = std::size_t{1} << 28;
inline constexpr std::size_t kMaxDepth = 600;

class Interpreter {
 public:
  /// `variables`: what the caller passes to the template.
  explicit Interpreter(Dict variables) : variables_(std::move(variables)) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  /// Errors: kInvalidFormat "line N: ..."; kInvalidArgument when the template calls raise_exception.
  [[nodiscard]] Result<std::string> run(const Block& block);

  // What filters, tests, methods and functions need.

  /// Pays for `work`.
  [[nodiscard]] Result<void> spend(std::size_t work);
  /// value.name and value[key], undefined when there is none.
  [[nodiscard]] Result<Value> attribute(const Value& value, std::string_view name);
  [[nodiscard]] Result<Value> item(const Value& value, const Value& key);
  /// What a loop over `value` sees. A generator is used up by this.
  [[nodiscard]] Result<std::vector<Value>> iterate(const Value& value);
  [[nodiscard]] Result<bool> contains(const Value& container, const Value& value);
  [[nodiscard]] Result<Value> filter(std::string_view name, const Value& value, const Arguments& arguments);
  [[nodiscard]] Result<bool> test(std::string_view name, const Value& value, const Arguments& arguments);
  /// str(value), paid for.
  [[nodiscard]] Result<std::string> text(const Value& value);
  /// An empty namespace. They can hold themselves, so the interpreter takes them apart at its end.
  [[nodiscard]] std::shared_ptr<Namespace> make_namespace();

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  struct Scope {
    std::shared_ptr<Scope> parent;
    std::map<std::string, Value, std::less<>> names;
  };
  using ScopePtr = std::shared_ptr<Scope>;
  struct Loop;

  static ScopePtr inside(ScopePtr parent) { return std::make_shared<Scope>(Scope{std::move(parent), {}}); }

  // Statements (interpreter.cc, loop.cc, macro.cc).
  [[nodiscard]] Result<Flow> execute(const Block& block, const ScopePtr& scope);
  [[nodiscard]] Result<Flow> execute(const Statement& statement, const ScopePtr& scope);
  [[nodiscard]] Result<Flow> execute_if(const Statement& statement, const ScopePtr& scope);
  [[nodiscard]] Result<Flow> execute_capture(const Statement& statement, const ScopePtr& scope);
  [[nodiscard]] Result<Flow> execute_scope(const Statement& statement, const ScopePtr& scope);
  [[nodiscard]] Result<Flow> execute_call_block(const Statement& statement, const ScopePtr& scope);
  [[nodiscard]] Result<Flow> execute_for(const Statement& statement, const ScopePtr& scope, const Value& over,
                                         std::size_t depth);
  [[nodiscard]] Result<std::vector<Value>> loop_items(const Statement& statement, const ScopePtr& scope,
                                                      const Value& over);
  [[nodiscard]] Value loop_object(const std::shared_ptr<Loop>& loop, const Statement& statement, const ScopePtr& scope);
  [[nodiscard]] Result<void> assign(const Expression& target, const Value& value, const ScopePtr& scope);
  [[nodiscard]] Result<void> print(std::string_view text);
  /// What `block` prints.
  [[nodiscard]] Result<std::string> capture(const Block& block, const ScopePtr& scope, Flow* flow = nullptr);
  [[nodiscard]] Value make_macro(const Statement& macro, std::string name, const ScopePtr& scope);
  [[nodiscard]] Result<Value> call_macro(const Statement& macro, const std::string& name, const ScopePtr& definition,
                                         const Arguments& arguments);
  [[nodiscard]] Result<void> bind(const Statement& macro, const std::string& name, const Arguments& arguments,
                                  const ScopePtr& scope);

  // Expressions (evaluate.cc).
  [[nodiscard]] Result<Value> evaluate(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> dispatch(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> evaluate_items(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> evaluate_dict(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> evaluate_slice(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> evaluate_call(const Expression& expression, const ScopePtr& scope, const Value* caller);
  [[nodiscard]] Result<Value> evaluate_filter(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> evaluate_test(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> evaluate_compare(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<Value> evaluate_concat(const Expression& expression, const ScopePtr& scope);
  [[nodiscard]] Result<bool> compare(const std::string& operation, const Value& left, const Value& right);
  [[nodiscard]] Result<Arguments> arguments(const CallArguments& given, const ScopePtr& scope);
  [[nodiscard]] Value look_up(const std::string& name, const ScopePtr& scope);

  Dict variables_;
  std::string out_;
  std::size_t work_ = 0, depth_ = 0;
  bool located_ = false;                       ///< the error under way names its line
  Value filter_input_;                         ///< what a filter chain without an operand starts from
  std::vector<ScopePtr> kept_;                 ///< scopes that macros were defined in
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

/// left operation right, for + - * / // % **.
[[nodiscard]] Result<Value> arithmetic(Interpreter& interpreter, const std::string& operation, const Value& left,
                                       const Value& right);
/// value[start:stop:step]
[[nodiscard]] Result<Value> slice(Interpreter& interpreter, const Value& value, const Value& start, const Value& stop,
                                  const Value& step);
/// A method of a string or a dict; nothing when it has none of that name.
[[nodiscard]] std::optional<Value> method(Interpreter& interpreter, const Value& value, std::string_view name);
/// A function every template knows; nothing when there is none of that name.
[[nodiscard]] std::optional<Value> global_function(Interpreter& interpreter, std::string_view name);

}  // namespace lieq::jinja
