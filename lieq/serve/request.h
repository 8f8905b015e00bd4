#pragma once
/// From the JSON of a request to what is to be computed. Nothing that would change the answer is passed over: what is
/// not run is refused by name.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lieq/eval/bundle.h"
#include "lieq/grammar/matcher.h"
#include "lieq/serve/api_error.h"
#include "lieq/serve/parameters.h"
#include "lieq/serve/tool_calls.h"
#include "lieq/serve/work.h"
#include "lieq/text/chat_template.h"

namespace lieq::serve {

/// The model that answers, and what it does unless a request says otherwise. What it points to outlives it.
struct Served {
  const eval::Bundle* bundle = nullptr;
  const text::ChatTemplate* chat_template = nullptr;  ///< null: chat requests are refused
  eval::SamplingOptions sampling;
  std::vector<TokenId> stop_tokens;
  std::size_t context = 0;  ///< tokens of one text at most
  /// A grammar over the model's tokens; equal keys get the one that was made for the first of them.
  std::function<std::shared_ptr<const grammar::Constraint>(const std::string& key, grammar::Grammar)> constrain;
};

enum class Route { kChat, kCompletion, kLlamaCompletion };

/// One request for texts: prompts, each continued `choices` times.
struct TextRequest {
  Route route = Route::kCompletion;
  std::vector<std::vector<TokenId>> prompts;
  std::size_t choices = 1;
  Work work;  ///< what all texts have in common: no prompt, no filter, and the seed of the first
  std::function<std::shared_ptr<TokenFilter>()> make_filter;  ///< empty: none
  std::vector<std::string> stop;                              ///< strings that end a text and are left out
  bool stream = false;
  bool include_usage = false;     ///< a last chunk says how many tokens there were
  bool continuous_usage = false;  ///< and every chunk of OpenAI's forms how many so far
  bool echo = false;              ///< the prompt is part of the answer
  OutputOptions output;           ///< of a chat: what to look for in the text
  bool keep_special = false;      ///< special tokens are part of the text

  [[nodiscard]] std::size_t texts() const { return prompts.size() * choices; }
};

/// `body`: that of POST /v1/chat/completions, /v1/completions, or llama.cpp's /completion. Errors: 400 naming the
/// parameter.
[[nodiscard]] ApiResult<TextRequest> read_request(const OrderedJson& body, Route route, const Served& served);

/// The text of the prompt that a chat's `messages` and `tools` make, and its tokens: for the above and /apply-template.
struct ChatPrompt {
  std::string text;
  bool tools = false;         ///< calls of tools are looked for
  bool one_call = false;      ///< the answer ends behind the first
  bool in_reasoning = false;  ///< it ends within <think>
  std::vector<std::string> tool_names;
  std::vector<std::size_t>
      must_call;  ///< indices in `tools` of which the answer has to call one; empty: none has to be
};
[[nodiscard]] ApiResult<ChatPrompt> read_chat_prompt(Parameters& parameters, const Served& served);

/// Parts of read_request, by what they read.
[[nodiscard]] ApiResult<void> read_sampling(Parameters& parameters, const Served& served, TextRequest& request);
[[nodiscard]] ApiResult<void> read_prompts(Parameters& parameters, const Served& served, TextRequest& request);
[[nodiscard]] ApiResult<void> read_output_form(Parameters& parameters, const Served& served, TextRequest& request);
/// tool_choice and parallel_tool_calls, once `prompt` has the names of the tools.
[[nodiscard]] ApiResult<void> read_tool_choice(Parameters& parameters, ChatPrompt& prompt);
/// Lets only a call of one of prompt.must_call be written, in the model's form.
[[nodiscard]] ApiResult<void> require_call(Parameters& parameters, const Served& served, const ChatPrompt& prompt,
                                           TextRequest& request);
[[nodiscard]] ApiResult<void> refuse_what_is_not_run(Parameters& parameters);

/// One token id of a JSON value. Errors: 400 naming `param`.
[[nodiscard]] ApiResult<TokenId> read_token(const OrderedJson& value, const std::string& param, const Served& served);

}  // namespace lieq::serve
