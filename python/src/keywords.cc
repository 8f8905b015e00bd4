#include "keywords.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "errors.h"

namespace lieq::python {
namespace {

std::string text_of(nb::handle value) { return nb::cast<std::string>(nb::repr(value)); }

[[noreturn]] void raise_type_error(const std::string& message) { throw nb::type_error(message.c_str()); }

/// os.fspath of what has one.
nb::object plain(nb::handle value) {
  if (!nb::hasattr(value, "__fspath__")) return nb::borrow(value);
  return nb::module_::import_("os").attr("fspath")(value);
}

}  // namespace

void Keywords::add_any(std::string name, std::string type, nb::object default_value, std::string what,
                       std::function<bool(nb::handle)> set) {
  std::string default_text = text_of(default_value);
  if (nb::hasattr(default_value, "__fspath__")) default_text = text_of(plain(default_value));
  keywords_.push_back({std::move(name), std::move(type), std::move(default_text), std::move(what), std::move(set)});
}

void Keywords::add_path(std::string name, std::string& field, std::string what) {
  add_any(std::move(name), "str | os.PathLike[str]", nb::cast(field), std::move(what),
          [&field](nb::handle value) { return nb::try_cast<std::string>(plain(value), field); });
}

void Keywords::add_choice(std::string name, nb::object default_value, std::vector<std::string> choices,
                          std::string what, std::function<void(const std::string&)> set) {
  const bool open = default_value.is_none();
  std::string type = fmt::format("typing.Literal['{}']{}", fmt::join(choices, "', '"), open ? " | None" : "");
  std::string place = name;
  add_any(std::move(name), std::move(type), std::move(default_value), std::move(what),
          [place, open, choices = std::move(choices), set = std::move(set)](nb::handle value) {
            if (open && value.is_none()) return true;
            std::string chosen;
            if (!nb::try_cast(value, chosen)) return false;
            if (std::ranges::find(choices, chosen) == choices.end())
              refuse(fmt::format("{}: found '{}', expected {}", place, chosen, fmt::join(choices, ", ")));
            set(chosen);
            return true;
          });
}

void Keywords::add_object(std::string name, std::string type, std::string what, std::function<void(nb::handle)> take) {
  add_any(std::move(name), std::move(type) + " | None", nb::none(), std::move(what),
          [take = std::move(take)](nb::handle value) {
            if (!value.is_none()) take(value);
            return true;
          });
}

void Keywords::read(const std::string& function, const nb::kwargs& given) const {
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    const auto found = std::ranges::find(keywords_, name, &Keyword::name);
    if (found == keywords_.end()) {
      std::vector<std::string> names;
      for (const Keyword& one : keywords_) names.push_back(one.name);
      raise_type_error(fmt::format("{}() got an unexpected keyword argument '{}', expected one of {}", function, name,
                                   fmt::join(names, ", ")));
    }
    if (!found->set(value))
      raise_type_error(fmt::format("{}(): {}: found {}, expected {}", function, name, text_of(value), found->type));
  }
}

std::string Keywords::signature(std::string_view name, std::string_view positional, std::string_view returns) const {
  std::string text = fmt::format("def {}({}, *", name, positional);
  for (const Keyword& one : keywords_) text += fmt::format(", {}: {} = {}", one.name, one.type, one.default_text);
  return text + fmt::format(") -> {}", returns);
}

std::string Keywords::lines() const {
  std::string text;
  for (const Keyword& one : keywords_)
    text += fmt::format("{}: {} (default: {})\n", one.name, one.what, one.default_text);
  return text;
}

}  // namespace lieq::python
