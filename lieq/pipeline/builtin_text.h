#pragma once
/// Calibration text that comes with the program (data/calibration/README.md): prose, code and conversations, the latter
/// as the model's own chat template writes them.

#include <optional>
#include <string>
#include <vector>

#include "lieq/base/json.h"
#include "lieq/eval/bundle.h"
#include "lieq/text/chat_template.h"

namespace lieq::pipeline {

/// The files, made strings by CMake.
extern const char *const kBuiltinProse, *const kBuiltinCode, *const kBuiltinChat;

/// What a model reads, of any kind of text.
class Rendering {
 public:
  /// bundle must outlive this.
  explicit Rendering(const eval::Bundle& bundle);

  /// With what the tokenizer puts before a text.
  [[nodiscard]] std::vector<text::TokenId> text(const std::string& text) const;
  /// messages: [{"role": ..., "content": ...}, ...]; opened: the assistant's answer is to follow. By the model's chat
  /// template, on a day that never changes; "Question: ... Answer: ..." where there is none. Empty when the template
  /// refuses the messages.
  [[nodiscard]] std::vector<text::TokenId> chat(const OrderedJson& messages, bool opened) const;
  [[nodiscard]] bool has_template() const { return template_.has_value(); }

 private:
  const eval::Bundle& bundle_;
  std::optional<text::ChatTemplate> template_;
};

/// The whole built-in text, its kinds spread evenly: about 85 000 tokens. The same model gives the same tokens.
[[nodiscard]] std::vector<text::TokenId> builtin_tokens(const eval::Bundle& bundle);

}  // namespace lieq::pipeline
