#pragma once
/// What a client gets: JSON in the forms of OpenAI and of llama.cpp's /completion.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lieq/serve/answer.h"

namespace lieq::serve {

/// What all objects of one answer say of it.
struct AnswerName {
  std::string id, model;
  std::int64_t created = 0;  ///< seconds since 1970
};

/// Makes the objects of one answer from its events, in order: chunk by chunk, or one at the end.
class Response {
 public:
  /// `request` and `served` outlive it.
  Response(const TextRequest& request, const Served& served, AnswerName name);

  /// The chunks of a stream that follow from an event, often none.
  [[nodiscard]] std::vector<OrderedJson> chunks(const AnswerEvent& event);
  /// The chunk after all others, when the client asked for it.
  [[nodiscard]] std::optional<OrderedJson> usage_chunk() const;

  /// Takes in an event of an answer that is sent whole.
  void add(const AnswerEvent& event);
  /// The answer, after the last event.
  [[nodiscard]] OrderedJson whole() const;

  /// What went wrong with the first text that did not end well.
  [[nodiscard]] const std::optional<ApiError>& failure() const { return failure_; }

 private:
  /// One text so far.
  struct Text {
    std::string content, reasoning, stop;
    OrderedJson calls = OrderedJson::array(), logprobs;
    std::size_t offset = 0;  ///< of the next token in the text, for text_offset
    bool begun = false;
    std::optional<Ending> ending;
  };

  [[nodiscard]] OrderedJson frame(const char* object) const;
  [[nodiscard]] OrderedJson choice(std::size_t number) const;
  [[nodiscard]] OrderedJson usage() const;
  [[nodiscard]] OrderedJson usage_so_far(const AnswerEvent& event) const;
  [[nodiscard]] OrderedJson chat_logprobs(const std::vector<TokenNews>& tokens) const;
  [[nodiscard]] OrderedJson completion_logprobs(const AnswerEvent& event, Text& text) const;
  [[nodiscard]] OrderedJson llama_object(const Text& text, bool stream) const;
  [[nodiscard]] std::string token_text(TokenId id) const;
  [[nodiscard]] std::string prompt_text(std::size_t number) const;
  [[nodiscard]] OrderedJson call_object(const ToolCall& call, std::size_t choice, std::size_t index) const;
  void note(const AnswerEvent& event);
  void chat_chunks(const AnswerEvent& event, std::vector<OrderedJson>& chunks);
  void completion_chunks(const AnswerEvent& event, std::vector<OrderedJson>& chunks);

  const TextRequest& request_;
  const Served& served_;
  AnswerName name_;
  std::vector<Text> texts_;
  std::optional<ApiError> failure_;
};

/// "stop", "length" or "tool_calls".
[[nodiscard]] const char* finish_reason(Finish finish, bool calls);

}  // namespace lieq::serve
