#include "lieq/cli/options.h"

#include <algorithm>
#include <map>
#include <type_traits>

#include <CLI/CLI.hpp>

namespace lieq::cli {
namespace {

/// The same options as CLI11 has them.
class Translation {
 public:
  explicit Translation(OptionSet& program, const std::string& version) : app_(program.what()) {
    app_.name(program.name());
    app_.set_version_flag("--version", version);
    app_.require_subcommand(1);
    app_.fallthrough();
    add(program, app_);
  }

  [[nodiscard]] CLI::App& app() { return app_; }

  /// Tells each set what was given of it.
  void note_given() const {
    for (OptionSet* set : sets_) {
      std::vector<GivenOption> given;
      for (const Option& option : set->options()) {
        const CLI::Option& made = *options_.at(&option);
        if (made.count() == 0) continue;
        const std::vector<std::string>& names = made.get_lnames();
        given.push_back({names.empty() ? made.get_name() : names.front(), option.is_flag(), made.results()});
      }
      set->set_given(std::move(given));
    }
  }

 private:
  void add(OptionSet& set, CLI::App& app) {
    sets_.push_back(&set);
    for (const Option& option : set.options()) options_[&option] = make(option, app);
    for (const Option& option : set.options()) {
      for (const Option* other : option.spec().excludes) options_.at(&option)->excludes(options_.at(other));
      for (const Option* other : option.spec().needs) options_.at(&option)->needs(options_.at(other));
    }
    if (!set.footer().empty()) app.footer(set.footer());
    for (OptionSet& group : set.groups()) add(group, *app.add_option_group(group.name()));
    for (OptionSet& verb : set.verbs()) add(verb, *app.add_subcommand(verb.name(), verb.what()));
  }

  static CLI::Option* make(const Option& option, CLI::App& app) {
    const OptionSpec& spec = option.spec();
    CLI::Option* made = std::visit(
        [&]<class T>(T* value) {
          if constexpr (std::is_same_v<T, bool>) {
            return app.add_flag(spec.names, *value, spec.what);
          } else {
            return app.add_option(spec.names, *value, spec.what);
          }
        },
        spec.target);
    made->required(spec.required);
    if (spec.comma_separated) made->delimiter(',');
    if (spec.single) made->expected(1);
    if (spec.one_at_a_time) made->allow_extra_args(false);
    if (spec.shows_default) made->capture_default_str();
    add_checks(spec, *made);
    return made;
  }

  static void add_checks(const OptionSpec& spec, CLI::Option& option) {
    if (spec.bytes) option.transform(CLI::AsSizeValue(true));
    if (spec.positive) option.check(CLI::PositiveNumber);
    if (spec.whole_range) option.check(CLI::Range(spec.whole_range->first, spec.whole_range->second));
    if (spec.range) option.check(CLI::Range(spec.range->first, spec.range->second));
    if (!spec.choices.empty()) option.check(CLI::IsMember(spec.choices));
    if (!spec.number_choices.empty()) option.check(CLI::IsMember(spec.number_choices));
  }

  CLI::App app_;
  std::map<const Option*, CLI::Option*> options_;
  std::vector<OptionSet*> sets_;
};

}  // namespace

Result<Parsed> parse(OptionSet& program, const std::string& version, std::vector<std::string> words) {
  Translation translation(program, version);
  CLI::App& app = translation.app();
  try {
    std::ranges::reverse(words);  // as CLI11 wants them
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    return Parsed{.verb = {}, .text = app.help()};
  } catch (const CLI::CallForVersion& asked) {
    return Parsed{.verb = {}, .text = asked.what() + std::string("\n")};
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::kInvalidArgument, error.what() + (" (see " + program.name() + " --help)"));
  }
  translation.note_given();
  Parsed parsed;
  for (std::size_t v = 0; v < program.verbs().size(); ++v)
    if (app.got_subcommand(program.verbs()[v].name())) parsed.verb = v;
  return parsed;
}

}  // namespace lieq::cli
