/// Log-probabilities in the two forms that OpenAI has.

#include <limits>

#include "lieq/serve/response.h"

namespace lieq::serve {
namespace {

/// JSON has no infinity.
double finite(double logprob) { return std::max(logprob, -1e4); }

}  // namespace

std::string Response::token_text(TokenId id) const {
  return served_.bundle->tokenizer.decode({&id, 1}, text::SpecialText::kKeep);
}

/// {"content": [{"token", "logprob", "bytes", "top_logprobs": [...]}]}
OrderedJson Response::chat_logprobs(const std::vector<TokenNews>& tokens) const {
  const auto entry = [&](TokenId id, double logprob) {
    const std::string text = token_text(id), own = served_.bundle->tokenizer.token_bytes(id);
    OrderedJson bytes = OrderedJson::array();
    for (const char c : own.empty() ? text : own) bytes.push_back(static_cast<unsigned char>(c));
    return OrderedJson{{"id", id}, {"token", text}, {"logprob", finite(logprob)}, {"bytes", std::move(bytes)}};
  };
  OrderedJson content = OrderedJson::array();
  for (const TokenNews& token : tokens) {
    content.push_back(entry(token.token, token.logprob));
    OrderedJson& top = content.back()["top_logprobs"] = OrderedJson::array();
    for (const TokenNews::Alternative& one : token.top) top.push_back(entry(one.token, one.logprob));
  }
  return {{"content", std::move(content)}};
}

/// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}: lists as long as the text has tokens, those of the
/// prompt included where it is echoed; nobody predicted the first of these.
OrderedJson Response::completion_logprobs(const AnswerEvent& event, Text& text) const {
  OrderedJson tokens = OrderedJson::array(), logprobs = OrderedJson::array(), tops = OrderedJson::array(),
              offsets = OrderedJson::array();
  const auto add = [&](const TokenNews& token, bool predicted) {
    const std::string piece = token_text(token.token);
    tokens.push_back(piece);
    logprobs.push_back(predicted ? OrderedJson(finite(token.logprob)) : OrderedJson());
    // Tokens that look alike share a key: the likeliest of them has it.
    OrderedJson top = OrderedJson::object();
    for (const TokenNews::Alternative& one : token.top)
      if (const std::string key = token_text(one.token); !top.contains(key)) top[key] = finite(one.logprob);
    if (!top.contains(piece)) top[piece] = finite(token.logprob);
    tops.push_back(predicted ? std::move(top) : OrderedJson());
    offsets.push_back(text.offset);
    text.offset += piece.size();
  };
  if (request_.work.prompt_logprobs && !text.begun) {
    const auto& prompt = request_.prompts[event.text / request_.choices];
    add({prompt.front(), 0, {}}, false);
  }
  for (const TokenNews& token : event.prompt) add(token, true);
  for (const TokenNews& token : event.tokens) add(token, true);
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

}  // namespace lieq::serve
