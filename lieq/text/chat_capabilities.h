#pragma once
/// What a chat template makes of a conversation, found by letting it render small ones.

#include <optional>

#include "lieq/text/chat_template.h"

namespace lieq::text {

/// Named as llama.cpp's server names them in `chat_template_caps`. True: what is given is found in the prompt.
struct ChatCapabilities {
  bool system_role = false;
  bool tools = false;                ///< descriptions of tools
  bool tool_calls = false;           ///< calls of tools in earlier answers
  bool parallel_tool_calls = false;  ///< two of them in one answer
  bool preserve_reasoning = false;   ///< `reasoning_content` of an answer that a further question follows
  bool reasoning_effort = false;     ///< a variable of this name, "low" or "high"
  /// Whether a model thinks when a request does not say; nothing: `enable_thinking` changes no prompt.
  std::optional<bool> thinks;
};

/// Cost: some ten renderings of short conversations. A template that refuses one lacks what it was asked for.
[[nodiscard]] ChatCapabilities capabilities_of(const ChatTemplate& chat_template);

}  // namespace lieq::text
