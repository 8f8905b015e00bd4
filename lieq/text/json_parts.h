#pragma once
/// The components of tokenizer.json, each from its JSON object to the part that does its work.

#include <initializer_list>
#include <string>

#include "lieq/base/json.h"
#include "lieq/base/utf8.h"
#include "lieq/text/tokenizer_impl.h"

namespace lieq::text {

/// The fields of a component, with refusals that name it.
class Component {
 public:
  /// Errors: kInvalidFormat when `json` is no object with a string `type`.
  [[nodiscard]] static Result<Component> open(const Json& json, const std::string& place);

  [[nodiscard]] const std::string& type() const { return type_; }
  [[nodiscard]] const Fields& fields() const { return fields_; }
  [[nodiscard]] const std::string& place() const { return fields_.place(); }
  /// Errors: kUnsupported naming a field that is none of `known` (nor `type`).
  [[nodiscard]] Result<void> only(std::initializer_list<std::string_view> known) const;
  /// A boolean, `fallback` when absent.
  [[nodiscard]] Result<bool> flag(std::string_view key, bool fallback) const;
  /// A string that must be there.
  [[nodiscard]] Result<std::string> text(std::string_view key) const;
  /// A list that must be there.
  [[nodiscard]] Result<const Json*> list(std::string_view key) const;
  /// "PLACE: type 'X' is not supported, expected Y".
  [[nodiscard]] Unexpected unsupported(std::string_view expected) const;

 private:
  Component(const Json& json, const std::string& place, std::string type)
      : json_(json), fields_(json, place), type_(std::move(type)) {}
  const Json& json_;
  Fields fields_;
  std::string type_;
};

/// Each `json` may be nullptr (absent or null); `file` opens the message of an error.
[[nodiscard]] Result<Normalizer> read_normalizer(const Json* json, const std::string& file);
[[nodiscard]] Result<PreTokenizer> read_pre_tokenizer(const Json* json, const std::string& file);
[[nodiscard]] Result<Decoder> read_decoder(const Json* json, const std::string& file);
/// Of a pre-tokenizer or a decoder; `split` is left to the caller.
[[nodiscard]] Result<Metaspace> read_metaspace(const Component& component);
/// The ids before and after the text. Ids and names must agree with `vocabulary`.
struct Template {
  std::vector<TokenId> before, after;
};
[[nodiscard]] Result<Template> read_post_processor(const Json* json, const Vocabulary& vocabulary,
                                                   const std::string& file);
/// One token's content and flags; its id is left 0.
[[nodiscard]] Result<AddedToken> read_added_token(const Json& json, const std::string& place);
[[nodiscard]] Result<std::vector<AddedToken>> read_added_tokens(const Json* json, const std::string& file);

}  // namespace lieq::text
