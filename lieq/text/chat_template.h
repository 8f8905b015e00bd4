#pragma once
/// From a conversation to the prompt a model was trained on.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "lieq/base/json.h"
#include "lieq/base/result.h"
#include "lieq/jinja/template.h"

namespace lieq::text {

/// What transformers' apply_chat_template is given.
struct ChatRequest {
  OrderedJson messages = OrderedJson::array();  ///< [{"role": ..., "content": ...}, ...]
  bool add_generation_prompt = true;            ///< end where the assistant's words begin
  OrderedJson tools = nullptr, documents = nullptr;
  OrderedJson arguments = OrderedJson::object();  ///< further variables, e.g. {"enable_thinking": false}
};

class ChatTemplate {
 public:
  /// Looks where transformers does: of a model folder (or of the folder of a tokenizer.json) chat_template.jinja, else
  /// `chat_template` in tokenizer_config.json, a string or a list of {name, template}, of which "default" is taken
  /// ("tool_use" for requests with tools, also from additional_chat_templates/tool_use.jinja); of a .gguf file its
  /// tokenizer.chat_template. Also reads the special tokens
  /// that templates name. `choice`: instead of the model's own, a built-in template ("chatml", "llama2", "llama3") or a
  /// file. Errors: kNotFound when there is none, saying how to give one; kInvalidArgument for a `choice` that is
  /// neither; kInvalidFormat.
  [[nodiscard]] static Result<ChatTemplate> load(const std::filesystem::path& model, const std::string& choice = {});

  /// A template that is in no file. special_tokens: {"bos_token": "<s>", ...}, as templates name them. Errors:
  /// kInvalidFormat naming `place`.
  [[nodiscard]] static Result<ChatTemplate> from_text(std::string source, OrderedJson special_tokens,
                                                      const std::string& place);

  /// The prompt; encode it with SpecialTokens::kNone, for it holds its own. Reasoning given as `reasoning` or
  /// `thinking` is passed on as `reasoning_content`, and null fields of messages are left out, as transformers does.
  /// Errors: those of jinja::Template::render.
  [[nodiscard]] Result<std::string> render(const ChatRequest& request) const;

  /// Whether the template's text speaks of `variable`.
  [[nodiscard]] bool mentions(std::string_view variable) const { return source_.find(variable) != std::string::npos; }
  /// The template itself.
  [[nodiscard]] const std::string& source() const { return source_; }
  /// "bos_token", "eos_token", ... as the template sees them; those a tokenizer lacks are missing.
  [[nodiscard]] const OrderedJson& special_tokens() const { return special_tokens_; }

 private:
  ChatTemplate(std::string source, jinja::Template parsed, OrderedJson special_tokens)
      : source_(std::move(source)), default_(std::move(parsed)), special_tokens_(std::move(special_tokens)) {}
  std::string source_;
  jinja::Template default_;
  std::optional<jinja::Template> tool_use_;
  OrderedJson special_tokens_;
};

}  // namespace lieq::text
