#pragma once
/// Chat templates: Jinja as transformers sets it up (trim_blocks, lstrip_blocks, an immutable sandbox, tojson without
/// HTML escapes, break and continue, raise_exception, strftime_now, {% generation %}).
///
/// Goals: the same text as jinja2 3.1 for any template that loads no other one; no harm from a hostile template, whose
/// work, nesting and memory are bounded. Non-goals: HTML (autoescape, Markup), include, import, extends, block,
/// translations, integers beyond 64 bits.

#include <memory>
#include <string>
#include <string_view>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::jinja {

class Template {
 public:
  /// `place` opens the message of an error. Errors: kInvalidFormat "PLACE: line N: found X, expected Y".
  [[nodiscard]] static Result<Template> parse(std::string_view source, std::string place);

  /// `variables`: an object, whose members are the names the template sees. Deterministic but for strftime_now.
  /// Errors: kInvalidFormat "PLACE: line N: ..." for what jinja2 raises an error for, or a bound that is reached;
  /// kInvalidArgument when the template itself refuses (raise_exception).
  [[nodiscard]] Result<std::string> render(const OrderedJson& variables) const;

 private:
  struct Tree;
  Template(std::string place, std::shared_ptr<const Tree> tree) : place_(std::move(place)), tree_(std::move(tree)) {}
  std::string place_;
  std::shared_ptr<const Tree> tree_;
};

}  // namespace lieq::jinja
