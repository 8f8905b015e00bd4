#pragma once
/// Private to grammar/: schemas before they become rules: references, merging, which keywords there are.

#include <string>
#include <string_view>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/base/result.h"

namespace lieq::grammar {

/// Schemas inside one document, and what errors about them say.
class SchemaText {
 public:
  SchemaText(const OrderedJson& root, std::string place, std::vector<std::string>* warnings)
      : root_(root), place_(std::move(place)), warnings_(warnings) {}

  [[nodiscard]] const OrderedJson& root() const { return root_; }
  [[nodiscard]] std::string at(const std::string& path) const;  ///< "PLACE: #/path"
  [[nodiscard]] Unexpected unsupported(const std::string& path, const std::string& what) const;
  [[nodiscard]] Unexpected malformed(const std::string& path, std::string_view key, const OrderedJson& found,
                                     const std::string& expected) const;
  void warn(const std::string& path, const std::string& what);

  /// Errors: kUnsupported for a keyword that would need to be obeyed and is not. Warns of one no standard knows.
  [[nodiscard]] Result<void> check_keywords(const OrderedJson& schema, const std::string& path);
  /// What `reference` ("#/$defs/a") names. Errors: kInvalidFormat, kUnsupported for other documents.
  [[nodiscard]] Result<const OrderedJson*> resolve(const OrderedJson& reference, const std::string& path) const;
  /// A schema for what is valid under both; what `a` says of order comes first.
  [[nodiscard]] Result<OrderedJson> merge(const OrderedJson& a, const OrderedJson& b, const std::string& path);
  /// Whether no value can be valid under two of them: told by their types, or by a required property that is constant.
  [[nodiscard]] static bool disjoint(const OrderedJson& schemas);

 private:
  [[nodiscard]] Result<OrderedJson> without_references(const OrderedJson& schema, const std::string& path);
  [[nodiscard]] Result<void> merge_keyword(OrderedJson& into, const std::string& key, const OrderedJson& value,
                                           const std::string& path);

  const OrderedJson& root_;
  std::string place_;
  std::vector<std::string>* warnings_;
  std::size_t merges_ = 0;
};

/// Whether a schema says anything that a value could break.
[[nodiscard]] bool constrains(const OrderedJson& schema);
[[nodiscard]] bool is_annotation(std::string_view keyword);
/// `path` with one more step.
[[nodiscard]] std::string below(const std::string& path, std::string_view step);

}  // namespace lieq::grammar
