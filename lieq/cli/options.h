#pragma once
/// The options of the program and of its verbs, as plain records. Only options.cc knows the library that parses them,
/// whose templates take long to compile.

#include <cstddef>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lieq/base/result.h"

namespace lieq::cli {

/// What an option sets: a flag, one value, or (vectors) any number of values. std::size_t and the like are one of these
/// on every platform.
using Target =
    std::variant<bool*, std::string*, int*, unsigned*, long*, unsigned long*, long long*, unsigned long long*, double*,
                 std::optional<unsigned>*, std::optional<unsigned long>*, std::optional<unsigned long long>*,
                 std::optional<double>*, std::vector<std::string>*, std::vector<int>*, std::vector<unsigned>*,
                 std::vector<unsigned long>*, std::vector<unsigned long long>*>;

class Option;

/// All there is to say of an option.
struct OptionSpec {
  std::string names;  ///< "--output,-o"; "MODEL" has a place instead of a name; "!--no-dense" sets false
  Target target;
  std::string what;  ///< its line in the help
  bool required = false;
  bool shows_default = false;
  bool comma_separated = false;
  bool single = false;
  bool one_at_a_time = false;
  bool bytes = false;
  bool positive = false;
  std::vector<std::string> choices = {};
  std::vector<int> number_choices = {};
  std::optional<std::pair<int, int>> whole_range = {};
  std::optional<std::pair<double, double>> range = {};
  std::vector<const Option*> excludes = {}, needs = {};
};

/// An option that is being described: app.add("--bits", bits, "Width").one_of({2, 4}).show_default().
class Option {
 public:
  explicit Option(OptionSpec spec) : spec_(std::move(spec)) {}

  /// It must be given.
  Option& required() { return set(spec_.required); }
  /// The help shows the value that the target has when parsing begins.
  Option& show_default() { return set(spec_.shows_default); }
  /// Of a vector: a word holds several values, "2,4".
  Option& comma_separated() { return set(spec_.comma_separated); }
  /// Of a vector: one value and no more.
  Option& single() { return set(spec_.single); }
  /// Of a vector: one word each time it is given, which may be often; the next word is not taken for another value.
  Option& one_at_a_time() { return set(spec_.one_at_a_time); }
  /// A size may have a unit: "60MiB" is 62914560, "60MB" is 60000000.
  Option& bytes() { return set(spec_.bytes); }
  /// More than 0.
  Option& positive() { return set(spec_.positive); }
  Option& one_of(std::vector<std::string> choices) {
    spec_.choices = std::move(choices);
    return *this;
  }
  Option& one_of(std::initializer_list<const char*> choices) {
    spec_.choices.assign(choices.begin(), choices.end());
    return *this;
  }
  Option& one_of(std::initializer_list<int> choices) {
    spec_.number_choices = choices;
    return *this;
  }
  /// From `low` to `high`, both included.
  Option& range(int low, int high) {
    spec_.whole_range = {low, high};
    return *this;
  }
  Option& range(double low, double high) {
    spec_.range = {low, high};
    return *this;
  }
  /// Not together with `other`, an option of the same set.
  Option& excludes(const Option& other) {
    spec_.excludes.push_back(&other);
    return *this;
  }
  /// Only together with `other`, an option of the same set.
  Option& needs(const Option& other) {
    spec_.needs.push_back(&other);
    return *this;
  }

  [[nodiscard]] const OptionSpec& spec() const { return spec_; }
  [[nodiscard]] bool is_flag() const { return std::holds_alternative<bool*>(spec_.target); }

 private:
  Option& set(bool& setting) {
    setting = true;
    return *this;
  }

  OptionSpec spec_;
};

/// An option that parsing met: its first long name without dashes, and its values ("true" of a flag).
struct GivenOption {
  std::string name;
  bool is_flag = false;
  std::vector<std::string> values;
};

/// The options of a program, of a verb or of a group in its help. What add() and the like return stays where it is, and
/// so must what options set.
class OptionSet {
 public:
  OptionSet(std::string name, std::string what) : name_(std::move(name)), what_(std::move(what)) {}
  OptionSet(const OptionSet&) = delete;
  OptionSet& operator=(const OptionSet&) = delete;

  /// An option that sets `value`, of a type that Target names.
  template <class T>
  Option& add(std::string names, T& value, std::string what) {
    return options_.emplace_back(OptionSpec{std::move(names), &value, std::move(what)});
  }
  /// An option without a value: makes `value` true, or false by a name after "!".
  Option& flag(std::string names, bool& value, std::string what) {
    return add(std::move(names), value, std::move(what));
  }
  /// Options under a heading of their own.
  OptionSet& group(std::string name) { return groups_.emplace_back(std::move(name), ""); }
  /// A verb of a program, which takes the program's options as well.
  OptionSet& verb(std::string name, std::string what) { return verbs_.emplace_back(std::move(name), std::move(what)); }
  /// What the help ends with.
  void footer(std::string text) { footer_ = std::move(text); }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& what() const { return what_; }
  [[nodiscard]] const std::string& footer() const { return footer_; }
  [[nodiscard]] const std::deque<Option>& options() const { return options_; }
  [[nodiscard]] std::deque<OptionSet>& groups() { return groups_; }
  [[nodiscard]] std::deque<OptionSet>& verbs() { return verbs_; }

  /// What parse() met of these options but not of groups and verbs, in the order in which they were added.
  [[nodiscard]] const std::vector<GivenOption>& given() const { return given_; }
  void set_given(std::vector<GivenOption> given) { given_ = std::move(given); }

 private:
  std::string name_, what_, footer_;
  std::deque<Option> options_;
  std::deque<OptionSet> groups_, verbs_;
  std::vector<GivenOption> given_;
};

/// What the words of a command line asked for.
struct Parsed {
  std::optional<std::size_t> verb = {};  ///< its place among the program's; none: to print `text`, and nothing else
  std::string text = {};                 ///< the help or the version
};

/// Sets what the options of `program` and of one of its verbs point to. words: those after the program's name.
/// version: what --version prints. Errors: kInvalidArgument (what is no option, a missing one, a value that is none).
[[nodiscard]] Result<Parsed> parse(OptionSet& program, const std::string& version, std::vector<std::string> words);

}  // namespace lieq::cli
