#include "lieq/serve/response.h"

#include <fmt/format.h>

#include "lieq/text/stream_decoder.h"

namespace lieq::serve {
namespace {

double per_second(std::size_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }

/// llama.cpp's numbers.
OrderedJson timings(const Ending& ending) {
  const std::size_t run = ending.prompt_tokens - ending.shared_tokens;
  return {{"cache_n", ending.shared_tokens},
          {"prompt_n", run},
          {"prompt_ms", 1000 * ending.prompt_seconds},
          {"prompt_per_second", per_second(run, ending.prompt_seconds)},
          {"predicted_n", ending.new_tokens},
          {"predicted_ms", 1000 * ending.decode_seconds},
          {"predicted_per_second", per_second(ending.new_tokens, ending.decode_seconds)}};
}

}  // namespace

const char* finish_reason(Finish finish, bool calls) {
  if (finish == Finish::kLength) return "length";
  return calls ? "tool_calls" : "stop";
}

Response::Response(const TextRequest& request, const Served& served, AnswerName name)
    : request_(request), served_(served), name_(std::move(name)), texts_(request.texts()) {}

OrderedJson Response::frame(const char* object) const {
  return {{"id", name_.id}, {"object", object}, {"created", name_.created}, {"model", name_.model}};
}

std::string Response::prompt_text(std::size_t number) const {
  text::StreamDecoder decoder(served_.bundle->tokenizer);
  std::string text;
  for (const TokenId id : request_.prompts[number / request_.choices]) text += decoder.add(id);
  return text + decoder.finish();
}

OrderedJson Response::call_object(const ToolCall& call, std::size_t choice, std::size_t index) const {
  return {{"index", index},
          {"id", fmt::format("call_{}_{}_{}", name_.id, choice, index)},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

/// What chunks and whole answers remember alike.
void Response::note(const AnswerEvent& event) {
  Text& text = texts_[event.text];
  text.begun = true;
  if (!event.ending) return;
  text.ending = event.ending;
  text.stop = event.stop;
  if (failure_) return;
  if (event.ending->finish == Finish::kFailed) failure_ = ApiError{500, event.ending->error};
  if (event.ending->finish == Finish::kCancelled) failure_ = ApiError{503, "the server is shutting down"};
}

/// vLLM's usage of a chunk: of its text so far.
OrderedJson Response::usage_so_far(const AnswerEvent& event) const {
  const std::size_t prompt = request_.prompts[event.text / request_.choices].size();
  return {
      {"prompt_tokens", prompt}, {"completion_tokens", event.new_tokens}, {"total_tokens", prompt + event.new_tokens}};
}

OrderedJson Response::usage() const {
  std::size_t prompt = 0, shared = 0, added = 0;
  for (std::size_t number = 0; number < texts_.size(); ++number) {
    if (!texts_[number].ending) continue;
    const Ending& ending = *texts_[number].ending;
    if (number % request_.choices == 0) prompt += ending.prompt_tokens, shared += ending.shared_tokens;
    added += ending.new_tokens;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", added},
          {"total_tokens", prompt + added},
          {"prompt_tokens_details", {{"cached_tokens", shared}}}};
}

std::vector<OrderedJson> Response::chunks(const AnswerEvent& event) {
  std::vector<OrderedJson> chunks;
  if (request_.route == Route::kChat) {
    chat_chunks(event, chunks);
  } else {
    completion_chunks(event, chunks);
  }
  note(event);
  if (request_.route == Route::kLlamaCompletion) return chunks;
  if (request_.continuous_usage)
    for (OrderedJson& chunk : chunks) chunk["usage"] = usage_so_far(event);
  if (event.ending && texts_.size() == 1 && !chunks.empty()) chunks.back()["timings"] = timings(*event.ending);
  return chunks;
}

void Response::chat_chunks(const AnswerEvent& event, std::vector<OrderedJson>& chunks) {
  Text& text = texts_[event.text];
  const auto add = [&](OrderedJson delta) -> OrderedJson& {
    OrderedJson chunk = frame("chat.completion.chunk");
    chunk["choices"] =
        OrderedJson::array({{{"index", event.text}, {"delta", std::move(delta)}, {"finish_reason", nullptr}}});
    chunks.push_back(std::move(chunk));
    return chunks.back()["choices"][0];
  };
  if (!text.begun) add({{"role", "assistant"}, {"content", ""}});
  OrderedJson logprobs = event.tokens.empty() ? OrderedJson() : chat_logprobs(event.tokens);
  for (const OutputPart& part : event.parts) {
    OrderedJson delta = OrderedJson::object();
    if (part.kind == OutputPart::Kind::kToolCall) {
      text.calls.push_back(call_object(part.call, event.text, text.calls.size()));
      delta["tool_calls"] = OrderedJson::array({text.calls.back()});
    } else {
      delta[part.kind == OutputPart::Kind::kContent ? "content" : "reasoning_content"] = part.text;
    }
    OrderedJson& choice = add(std::move(delta));
    if (!logprobs.is_null()) choice["logprobs"] = std::exchange(logprobs, nullptr);
  }
  if (!logprobs.is_null()) add({{"content", ""}})["logprobs"] = std::move(logprobs);
  if (event.ending)
    add(OrderedJson::object())["finish_reason"] = finish_reason(event.ending->finish, !text.calls.empty());
}

void Response::completion_chunks(const AnswerEvent& event, std::vector<OrderedJson>& chunks) {
  Text& text = texts_[event.text];
  std::string piece = request_.echo && !text.begun ? prompt_text(event.text) : "";
  for (const OutputPart& part : event.parts) piece += part.text;
  if (request_.route == Route::kLlamaCompletion) {
    Text now;
    now.content = piece;
    if (!event.tokens.empty()) now.logprobs = chat_logprobs(event.tokens);
    now.stop = event.stop;
    now.ending = event.ending;
    chunks.push_back(llama_object(now, true));
    if (request_.texts() > 1) chunks.back()["index"] = event.text;
    return;
  }
  OrderedJson logprobs;
  if (request_.work.logprobs) logprobs = completion_logprobs(event, text);
  OrderedJson chunk = frame("text_completion");
  chunk["choices"] = OrderedJson::array(
      {{{"index", event.text},
        {"text", piece},
        {"logprobs", std::move(logprobs)},
        {"finish_reason", event.ending ? OrderedJson(finish_reason(event.ending->finish, false)) : OrderedJson()}}});
  chunks.push_back(std::move(chunk));
}

std::optional<OrderedJson> Response::usage_chunk() const {
  if (!request_.include_usage) return std::nullopt;
  OrderedJson chunk = frame(request_.route == Route::kChat ? "chat.completion.chunk" : "text_completion");
  chunk["choices"] = OrderedJson::array();
  chunk["usage"] = usage();
  return chunk;
}

void Response::add(const AnswerEvent& event) {
  Text& text = texts_[event.text];
  if (request_.echo && !text.begun) text.content = prompt_text(event.text);
  for (const OutputPart& part : event.parts) {
    switch (part.kind) {
      case OutputPart::Kind::kContent: text.content += part.text; break;
      case OutputPart::Kind::kReasoning: text.reasoning += part.text; break;
      case OutputPart::Kind::kToolCall:
        text.calls.push_back(call_object(part.call, event.text, text.calls.size()));
        break;
    }
  }
  if (request_.work.logprobs) {
    OrderedJson more =
        request_.route == Route::kCompletion ? completion_logprobs(event, text) : chat_logprobs(event.tokens);
    if (text.logprobs.is_null()) {
      text.logprobs = std::move(more);
    } else {
      for (auto& [key, list] : more.items())
        for (OrderedJson& one : list) text.logprobs[key].push_back(std::move(one));
    }
  }
  note(event);
}

OrderedJson Response::choice(std::size_t number) const {
  const Text& text = texts_[number];
  const bool calls = !text.calls.empty();
  OrderedJson choice = {{"index", number}};
  if (request_.route == Route::kChat) {
    OrderedJson message = {{"role", "assistant"},
                           {"content", calls && text.content.empty() ? OrderedJson() : OrderedJson(text.content)}};
    if (!text.reasoning.empty()) message["reasoning_content"] = text.reasoning;
    if (calls) message["tool_calls"] = text.calls;
    choice["message"] = std::move(message);
  } else {
    choice["text"] = text.content;
  }
  choice["logprobs"] = text.logprobs;
  choice["finish_reason"] = finish_reason(text.ending.value().finish, calls);
  return choice;
}

OrderedJson Response::whole() const {
  if (request_.route == Route::kLlamaCompletion) {
    if (texts_.size() == 1) return llama_object(texts_.front(), false);
    OrderedJson all = OrderedJson::array();
    for (const Text& text : texts_) {
      all.push_back(llama_object(text, false));
      all.back()["index"] = all.size() - 1;
    }
    return all;
  }
  OrderedJson answer = frame(request_.route == Route::kChat ? "chat.completion" : "text_completion");
  answer["choices"] = OrderedJson::array();
  for (std::size_t number = 0; number < texts_.size(); ++number) answer["choices"].push_back(choice(number));
  answer["usage"] = usage();
  if (texts_.size() == 1) answer["timings"] = timings(texts_.front().ending.value());
  return answer;
}

/// llama.cpp's form of a piece, or of the whole.
OrderedJson Response::llama_object(const Text& text, bool stream) const {
  OrderedJson object = {{"content", text.content}, {"stop", text.ending.has_value()}};
  if (!text.logprobs.is_null()) object["completion_probabilities"] = text.logprobs["content"];
  if (!text.ending) return object;
  const Ending& ending = *text.ending;
  object["model"] = name_.model;
  object["tokens_predicted"] = ending.new_tokens;
  object["tokens_evaluated"] = ending.prompt_tokens;
  object["tokens_cached"] = ending.shared_tokens;
  object["truncated"] = false;
  object["stop_type"] = ending.finish == Finish::kLength ? "limit" : text.stop.empty() ? "eos" : "word";
  object["stopping_word"] = text.stop;
  object["timings"] = timings(ending);
  if (!stream) object["id"] = name_.id;
  return object;
}

}  // namespace lieq::serve
