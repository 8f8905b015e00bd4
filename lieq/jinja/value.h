#pragma once
/// What template expressions compute with: Python's values as far as a chat template can tell them apart.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::jinja {

class Value;
struct Callable;

/// A name that has no value; prints as nothing, and most uses of it are errors that speak of `name`.
struct Undefined {
  std::string name;
};
struct None {};

/// Everything that is iterated by position. What differs is what else Python lets one do with it.
struct Sequence {
  enum class Kind { kList, kTuple, kRange, kView, kGenerator };
  Kind kind = Kind::kList;
  std::vector<Value> items;
  std::size_t taken = 0;  ///< kGenerator: items already iterated over, which do not come again
  std::size_t depth = 1, weight = 1;
  std::string written = {};  ///< kRange: its repr
  std::string fault = {};    ///< kGenerator: the error that iterating over it ends in

  [[nodiscard]] bool has_length() const { return kind != Kind::kGenerator; }
  [[nodiscard]] bool has_index() const { return kind != Kind::kGenerator && kind != Kind::kView; }
};

/// Keys in the order they came, as in Python.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  std::size_t depth = 1, weight = 1;
  /// nullptr when there is none. O(n).
  [[nodiscard]] const Value* find(const Value& key) const;
  [[nodiscard]] const Value* find_name(std::string_view name) const;
  void set(Value key, Value value);
};

/// The only thing a template can change: namespace(...).
struct Namespace {
  Dict attributes;
};

/// Small and cheap to copy; strings, sequences and dicts are shared, and nothing changes them once made.
class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(Undefined undefined) : data_(std::move(undefined)) {}
  Value(None none) : data_(none) {}
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::make_shared<const std::string>(std::move(value))) {}
  Value(std::shared_ptr<Sequence> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Dict> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Namespace> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Callable> value) : data_(std::move(value)) {}
  template <class T>
  Value(T*) = delete;  // or a string literal would become a bool

  [[nodiscard]] static Value size(std::size_t count) { return static_cast<std::int64_t>(count); }
  [[nodiscard]] static Value list(std::vector<Value> items, Sequence::Kind kind = Sequence::Kind::kList);
  [[nodiscard]] static Value dict(Dict dict);

  [[nodiscard]] bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  [[nodiscard]] bool is_none() const { return std::holds_alternative<None>(data_); }
  [[nodiscard]] const bool* boolean() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const std::string* string() const { return shared<const std::string>(); }
  [[nodiscard]] Sequence* sequence() const { return shared<Sequence>(); }
  [[nodiscard]] const Dict* dict() const { return shared<Dict>(); }
  [[nodiscard]] Namespace* name_space() const { return shared<Namespace>(); }
  [[nodiscard]] const Callable* callable() const { return shared<const Callable>(); }
  [[nodiscard]] const double* real() const { return std::get_if<double>(&data_); }
  [[nodiscard]] const std::string& undefined_name() const { return std::get<Undefined>(data_).name; }

  /// An int or a bool, which Python counts among them.
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  /// An int, bool or float.
  [[nodiscard]] std::optional<double> number() const;

  [[nodiscard]] bool truthy() const;
  /// Python's name of the type: "str", "NoneType", ...
  [[nodiscard]] std::string_view type_name() const;
  /// Levels of values inside values.
  [[nodiscard]] std::size_t depth() const;
  /// About the bytes of the value written out: work on all of it is paid for with this. A part that stands at two
  /// places counts twice, so that a short template cannot ask for a long text.
  [[nodiscard]] std::size_t weight() const;
  /// Whether both are the same object, as far as values have an identity.
  [[nodiscard]] bool same(const Value& other) const;

 private:
  template <class T>
  [[nodiscard]] T* shared() const {
    const auto* pointer = std::get_if<std::shared_ptr<T>>(&data_);
    return pointer ? pointer->get() : nullptr;
  }
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<Sequence>, std::shared_ptr<Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Callable>>
      data_;
};

/// What a call, a filter or a test is given.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The argument at `position`, or named `name`; nullptr when not given.
  [[nodiscard]] const Value* find(std::size_t position, std::string_view name) const;
  /// Errors when there are more than `most` positional arguments, or a named one that is none of `names`.
  [[nodiscard]] Result<void> only(std::string_view callee, std::size_t most,
                                  std::initializer_list<std::string_view> names) const;
};

/// Macros, functions and bound methods.
struct Callable {
  std::string name;
  std::function<Result<Value>(const Arguments&)> call;
  /// What `value.name` finds: `loop` is called and has attributes.
  std::function<std::optional<Value>(std::string_view)> attribute = {};
  std::size_t depth = 1;  ///< of what it holds
};

/// An error of evaluation; who evaluates adds the place. The message is made printable there.
[[nodiscard]] Unexpected type_error(std::string message);

[[nodiscard]] bool equal(const Value& a, const Value& b);
/// Whether a < b. Errors: kInvalidFormat for types that Python does not order.
[[nodiscard]] Result<bool> less(const Value& a, const Value& b);

inline constexpr std::size_t kMaxValueDepth = 100;

}  // namespace lieq::jinja
