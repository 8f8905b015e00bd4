#include <string>
#include <utility>

#include <fmt/format.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "errors.h"
#include "json.h"
#include "loaded_model.h"

namespace lieq::python {
namespace {

/// A view: the tokenizer lives in its model.
struct TokenizerOf {
  std::shared_ptr<LoadedModel> model;
  [[nodiscard]] const text::Tokenizer& operator*() const { return model->bundle.tokenizer; }
};

std::vector<text::TokenId> encode(const TokenizerOf& self, const std::string& text, bool add_special_tokens) {
  const nb::gil_scoped_release released;
  return (*self).encode(text, add_special_tokens ? text::SpecialTokens::kAdd : text::SpecialTokens::kNone);
}

std::string decode(const TokenizerOf& self, nb::handle ids, bool skip_special_tokens) {
  return (*self).decode(ids_of(ids), skip_special_tokens ? text::SpecialText::kSkip : text::SpecialText::kKeep);
}

nb::object apply_chat_template(const TokenizerOf& self, nb::handle conversation, bool add_generation_prompt,
                               nb::handle tools, nb::handle documents, bool tokenize, const nb::kwargs& variables) {
  text::ChatRequest request;
  request.messages = from_python(conversation);
  request.add_generation_prompt = add_generation_prompt;
  request.tools = from_python(tools);
  request.documents = from_python(documents);
  request.arguments = from_python(variables);
  const std::string prompt = value_of(chat_template_of(*self.model).render(request));
  if (!tokenize) return nb::cast(prompt);
  return nb::cast((*self).encode(prompt, text::SpecialTokens::kNone));
}

}  // namespace

void define_tokenizer(nb::module_& module) {
  nb::class_<TokenizerOf>(module, "Tokenizer", "Text <-> token ids, equal to the reference tokenizer token for token.")
      .def("encode", &encode, nb::arg("text"), nb::kw_only(), nb::arg("add_special_tokens") = true,
           "Token ids of a text.")
      .def("decode", &decode, nb::arg("ids"), nb::kw_only(), nb::arg("skip_special_tokens") = false,
           nb::sig("def decode(self, ids: collections.abc.Iterable[int], *, skip_special_tokens: bool = False) -> str"),
           "Text of token ids; bytes that are no UTF-8 become U+FFFD.")
      .def(
          "apply_chat_template", &apply_chat_template, nb::arg("conversation"), nb::kw_only(),
          nb::arg("add_generation_prompt") = false, nb::arg("tools") = nb::none(), nb::arg("documents") = nb::none(),
          nb::arg("tokenize") = true, nb::arg("variables"),
          nb::sig("def apply_chat_template(self, conversation: collections.abc.Sequence[dict[str, typing.Any]], *, "
                  "add_generation_prompt: bool = False, tools: list[dict[str, typing.Any]] | None = None, documents: "
                  "list[dict[str, typing.Any]] | None = None, tokenize: bool = True, **variables: typing.Any) -> "
                  "list[int] | str"),
          "The prompt of a conversation, [{'role': ..., 'content': ...}, ...], as transformers makes it: token ids, or "
          "with tokenize=False the text. Further keywords are variables of the template.")
      .def(
          "token_to_id",
          [](const TokenizerOf& self, const std::string& token) -> nb::object {
            const auto id = (*self).id_of(token);
            return id ? nb::cast(*id) : nb::none();
          },
          nb::arg("token"), nb::sig("def token_to_id(self, token: str) -> int | None"),
          "The id of a token, None where there is none.")
      .def_prop_ro(
          "vocab_size", [](const TokenizerOf& self) { return (*self).vocab_size(); }, "One more than the largest id.")
      .def_prop_ro(
          "kind", [](const TokenizerOf& self) { return (*self).kind(); },
          "What it is, e.g. 'byte-level BPE (Qwen2 pattern)'.")
      .def("__repr__", [](const TokenizerOf& self) {
        return fmt::format("<lieq.Tokenizer of {}: {}, {} ids>", self.model->name, (*self).kind(),
                           (*self).vocab_size());
      });
  module.def(
      "_tokenizer_of", [](std::shared_ptr<LoadedModel> model) { return TokenizerOf{std::move(model)}; },
      nb::arg("model"));
}

}  // namespace lieq::python
