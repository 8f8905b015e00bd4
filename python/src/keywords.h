#pragma once
/// Keyword arguments of a function that set the fields of an options struct. A field's value is the default, so that
/// Python shows those of C++, which are written down once.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace lieq::python {

namespace nb = nanobind;

/// How a type is written in a signature.
template <class T>
std::string type_text() {
  if constexpr (std::is_same_v<T, bool>)
    return "bool";
  else if constexpr (std::is_integral_v<T>)
    return "int";
  else if constexpr (std::is_floating_point_v<T>)
    return "float";
  else if constexpr (std::is_same_v<T, std::string>)
    return "str";
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    return "str | os.PathLike[str]";
  else if constexpr (requires(T t) { t.has_value(); })
    return type_text<typename T::value_type>() + " | None";
  else
    return "collections.abc.Sequence[" + type_text<typename T::value_type>() + "]";
}

class Keywords {
 public:
  /// A keyword that sets `field`. what: its line in the docstring.
  template <class T>
  void add(std::string name, T& field, std::string what) {
    add_any(std::move(name), type_text<T>(), nb::cast(field), std::move(what),
            [&field](nb::handle value) { return nb::try_cast<T>(value, field); });
  }

  /// A path, or a text that may be one: str or os.PathLike.
  void add_path(std::string name, std::string& field, std::string what);

  /// One of some names: to_name(value) is that of each of `values`. None, the default, leaves an optional field open.
  template <class Field, class Values, class ToName>
  void add_name(std::string name, Field& field, const Values& values, const ToName& to_name, std::string what) {
    std::vector<std::pair<std::string, std::ranges::range_value_t<Values>>> names;
    for (const auto value : values) names.emplace_back(std::string(to_name(value)), value);
    std::vector<std::string> choices;
    for (const auto& one : names) choices.push_back(one.first);
    nb::object default_value = nb::none();
    if constexpr (!requires { field.has_value(); }) default_value = nb::cast(std::string(to_name(field)));
    add_choice(std::move(name), std::move(default_value), std::move(choices), std::move(what),
               [&field, names](const std::string& chosen) {
                 for (const auto& [text, value] : names)
                   if (text == chosen) field = value;
               });
  }

  /// One of some names, kept as text.
  void add_text(std::string name, std::string& field, std::vector<std::string> choices, std::string what) {
    add_choice(std::move(name), nb::cast(field), std::move(choices), std::move(what),
               [&field](const std::string& chosen) { field = chosen; });
  }

  /// Whatever `take` makes of the value; None leaves the default alone.
  void add_object(std::string name, std::string type, std::string what, std::function<void(nb::handle)> take);

  /// Sets the fields. function: opens messages. Raises TypeError for a name or a type, UsageError for a value that is
  /// not among the choices.
  void read(const std::string& function, const nb::kwargs& given) const;

  /// "def NAME(POSITIONAL, *, keywords = defaults) -> RETURNS"
  [[nodiscard]] std::string signature(std::string_view name, std::string_view positional,
                                      std::string_view returns) const;
  /// A line for each keyword.
  [[nodiscard]] std::string lines() const;

 private:
  struct Keyword {
    std::string name, type, default_text, what;
    std::function<bool(nb::handle)> set;  ///< false: not of this type
  };

  void add_any(std::string name, std::string type, nb::object default_value, std::string what,
               std::function<bool(nb::handle)> set);
  /// default_value: None where the field may be left open.
  void add_choice(std::string name, nb::object default_value, std::vector<std::string> choices, std::string what,
                  std::function<void(const std::string&)> set);

  std::vector<Keyword> keywords_;
};

/// Defines a function whose lambda takes (positional ..., nb::kwargs); Arguments() describes its keywords in a member
/// `keywords`. positional: "model: str", with commas.
template <class Arguments, class Scope, class Function, class... Extra>
void def_with_keywords(Scope& scope, const char* name, std::string_view positional, std::string_view returns,
                       std::string_view what, const Function& function, const Extra&... extra) {
  const Arguments defaults;
  const std::string signature = defaults.keywords.signature(name, positional, returns);
  const std::string doc = std::string(what) + "\n\n" + defaults.keywords.lines();
  scope.def(name, function, nb::sig(signature.c_str()), doc.c_str(), extra..., nb::arg("kwargs"));
}

/// The same for a function of a class that takes no self.
template <class Arguments, class Class, class Function, class... Extra>
void def_static_with_keywords(Class& scope, const char* name, std::string_view positional, std::string_view returns,
                              std::string_view what, const Function& function, const Extra&... extra) {
  const Arguments defaults;
  const std::string signature = defaults.keywords.signature(name, positional, returns);
  const std::string doc = std::string(what) + "\n\n" + defaults.keywords.lines();
  scope.def_static(name, function, nb::sig(signature.c_str()), doc.c_str(), extra..., nb::arg("kwargs"));
}

}  // namespace lieq::python
