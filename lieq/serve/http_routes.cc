/// What the routes of HttpServer do that make no text.

#include <fmt/format.h>

#include "lieq/base/version.h"
#include "lieq/serve/http_reply.h"
#include "lieq/serve/http_server.h"
#include "lieq/serve/metrics.h"

namespace lieq::serve {
namespace {

/// {"tokens": [ids]} of a body.
ApiResult<std::vector<TokenId>> read_tokens(const OrderedJson& body, const Served& served) {
  Parameters parameters(body);
  const OrderedJson* tokens = parameters.find("tokens");
  if (!tokens || !tokens->is_array())
    return bad_parameter("tokens",
                         fmt::format("found {}, expected a list of token ids", tokens ? in_words(*tokens) : "nothing"));
  std::vector<TokenId> ids;
  for (const OrderedJson& one : *tokens) {
    LIEQ_API_ASSIGN(const TokenId id, read_token(one, "tokens", served));
    ids.push_back(id);
  }
  return ids;
}

/// llama.cpp's {"content", "add_special", "with_pieces"}.
ApiResult<OrderedJson> tokens_of_text(const OrderedJson& body, const Served& served) {
  Parameters parameters(body);
  LIEQ_API_ASSIGN(const auto content, parameters.string("content"));
  LIEQ_API_ASSIGN(const auto special, parameters.boolean("add_special"));
  LIEQ_API_ASSIGN(const auto pieces, parameters.boolean("with_pieces"));
  parameters.ignore("parse_special");  // special tokens are found in any text, as with its default
  parameters.ignore("model");
  LIEQ_API_TRY(parameters.refuse_unknown());
  if (!content) return bad_parameter("content", "found nothing, expected a text");
  const text::Tokenizer& tokenizer = served.bundle->tokenizer;
  OrderedJson tokens = OrderedJson::array();
  for (const TokenId id :
       tokenizer.encode(*content, special.value_or(false) ? text::SpecialTokens::kAdd : text::SpecialTokens::kNone)) {
    if (pieces.value_or(false)) {
      tokens.push_back({{"id", id}, {"piece", tokenizer.decode({&id, 1}, text::SpecialText::kKeep)}});
    } else {
      tokens.push_back(id);
    }
  }
  return OrderedJson{{"tokens", std::move(tokens)}};
}

OrderedJson description(const Service& service) {
  const model::ModelConfig& config = service.bundle().model.config;
  OrderedJson model = {{"id", service.name()}, {"object", "model"}, {"created", 0}, {"owned_by", "lieq"}};
  model["max_model_len"] = service.served().context;  // vLLM's name for it
  model["meta"] = {{"n_vocab", config.vocab_size},
                   {"n_ctx", service.served().context},
                   {"n_ctx_train", config.max_position_embeddings},
                   {"n_embd", config.hidden_size},
                   {"n_params", model::parameter_count(service.bundle().model)},
                   {"size", service.weight_bytes()}};
  return model;
}

/// What a request gets that says nothing else.
OrderedJson defaults(const Service& service) {
  const eval::SamplingOptions& sampling = service.served().sampling;
  OrderedJson parameters = {{"temperature", sampling.temperature},
                            {"top_k", sampling.top_k},
                            {"top_p", sampling.top_p},
                            {"min_p", sampling.min_p},
                            {"typical_p", sampling.typical_p},
                            {"repeat_penalty", sampling.repeat_penalty},
                            {"repeat_last_n", sampling.repeat_last_n}};
  OrderedJson variables = OrderedJson::object();
  if (const auto thinks = service.chat_capabilities().thinks) variables["enable_thinking"] = *thinks;
  parameters["chat_template_kwargs"] = std::move(variables);
  return parameters;
}

OrderedJson capabilities(const text::ChatCapabilities& found) {
  return {{"supports_system_role", found.system_role},
          {"supports_tools", found.tools},
          {"supports_tool_calls", found.tool_calls},
          {"supports_parallel_tool_calls", found.parallel_tool_calls},
          {"supports_preserve_reasoning", found.preserve_reasoning},
          {"supports_reasoning_effort", found.reasoning_effort}};
}

template <class Read>
void reply_to(const httplib::Request& request, httplib::Response& response, const Read& read) {
  const auto body = parse_body(request.body);
  if (!body) return reply(response, body.error());
  const ApiResult<OrderedJson> answer = read(*body);
  answer ? reply(response, *answer) : reply(response, answer.error());
}

}  // namespace

void HttpServer::health(const Request&, HttpResponse& response) {
  if (service()) return reply(response, OrderedJson{{"status", "ok"}});
  response.status = 503;
  reply(response, OrderedJson{{"error", {{"code", 503}, {"message", "Loading model"}, {"type", "unavailable_error"}}}});
}

void HttpServer::models(Service& service, const Request&, HttpResponse& response) {
  reply(response, OrderedJson{{"object", "list"}, {"data", OrderedJson::array({description(service)})}});
}

void HttpServer::one_model(Service& service, const Request& request, HttpResponse& response) {
  if (request.matches[1] == service.name()) return reply(response, description(service));
  reply(response, ApiError{404, "no such model: only " + service.name() + " is served", "model", "model_not_found"});
}

void HttpServer::props(Service& service, const Request&, HttpResponse& response) {
  const auto& chat_template = service.chat_template();
  const auto special = [&](const char* name) {
    return chat_template ? chat_template->special_tokens().value(name, "") : std::string();
  };
  reply(response, OrderedJson{{"default_generation_settings",
                               {{"n_ctx", service.served().context}, {"params", defaults(service)}}},
                              {"total_slots", service.scheduler().options().slots},
                              {"model_alias", service.name()},
                              {"modalities", {{"vision", false}, {"audio", false}}},
                              {"chat_template", chat_template ? chat_template->source() : ""},
                              {"chat_template_caps", capabilities(service.chat_capabilities())},
                              {"bos_token", special("bos_token")},
                              {"eos_token", special("eos_token")},
                              {"build_info", std::string("lieq ") + kVersion}});
}

void HttpServer::metrics(Service& service, const Request&, HttpResponse& response) {
  response.set_content(metrics_text(service), "text/plain; version=0.0.4");
}

void HttpServer::tokenize(Service& service, const Request& request, HttpResponse& response) {
  reply_to(request, response, [&](const OrderedJson& body) { return tokens_of_text(body, service.served()); });
}

void HttpServer::detokenize(Service& service, const Request& request, HttpResponse& response) {
  reply_to(request, response, [&](const OrderedJson& body) -> ApiResult<OrderedJson> {
    LIEQ_API_ASSIGN(const auto ids, read_tokens(body, service.served()));
    return OrderedJson{{"content", service.bundle().tokenizer.decode(ids, text::SpecialText::kKeep)}};
  });
}

void HttpServer::apply_template(Service& service, const Request& request, HttpResponse& response) {
  reply_to(request, response, [&](const OrderedJson& body) -> ApiResult<OrderedJson> {
    Parameters parameters(body);
    LIEQ_API_ASSIGN(const ChatPrompt prompt, read_chat_prompt(parameters, service.served()));
    return OrderedJson{{"prompt", prompt.text}};
  });
}

void HttpServer::embeddings(Service&, const Request&, HttpResponse& response) {
  reply(response, ApiError{400, "embeddings: this server computes none", "", "unsupported"});
}

}  // namespace lieq::serve
