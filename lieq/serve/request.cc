#include "lieq/serve/request.h"

#include <algorithm>

#include <fmt/format.h>

namespace lieq::serve {
namespace {

constexpr std::int64_t kMostTokens = 1 << 30;
constexpr std::int64_t kMostChoices = 128;

/// The first of the names that is given: all of them mean the same.
ApiResult<std::optional<std::int64_t>> first_integer(Parameters& parameters, std::initializer_list<const char*> names,
                                                     std::int64_t least, std::int64_t most) {
  std::optional<std::int64_t> first;
  for (const char* name : names) {
    LIEQ_API_ASSIGN(const auto value, parameters.integer(name, least, most));
    if (!first) first = value;
  }
  return first;
}

ApiResult<void> read_length(Parameters& parameters, const Served& served, TextRequest& request) {
  LIEQ_API_ASSIGN(const auto given,
                  first_integer(parameters, {"max_completion_tokens", "max_tokens", "n_predict"}, -1, kMostTokens));
  constexpr std::int64_t kOpenAiDefault = 16;  // of the older route only
  const std::int64_t wanted = given.value_or(request.route == Route::kCompletion ? kOpenAiDefault : -1);
  request.work.max_new_tokens = wanted < 0 ? served.context : static_cast<std::size_t>(wanted);
  return {};
}

/// A chat has `logprobs` as a flag and `top_logprobs`; completions a number; llama.cpp's route n_probs.
ApiResult<void> read_logprobs(Parameters& parameters, TextRequest& request) {
  constexpr std::int64_t kMostAlternatives = 20;
  if (request.route == Route::kChat) {
    LIEQ_API_ASSIGN(const auto wanted, parameters.boolean("logprobs"));
    LIEQ_API_ASSIGN(const auto top, parameters.integer("top_logprobs", 0, kMostAlternatives));
    if (top.value_or(0) > 0 && !wanted.value_or(false))
      return bad_parameter("top_logprobs", "expected only together with logprobs: true");
    if (wanted.value_or(false)) request.work.logprobs = static_cast<std::size_t>(top.value_or(0));
  } else {
    LIEQ_API_ASSIGN(const auto top, first_integer(parameters, {"logprobs", "n_probs"}, 0, kMostAlternatives));
    // llama.cpp's 0 means none, OpenAI's only the chosen tokens.
    if (top && (request.route == Route::kCompletion || *top > 0))
      request.work.logprobs = static_cast<std::size_t>(*top);
  }
  return {};
}

ApiResult<void> read_streaming(Parameters& parameters, TextRequest& request) {
  LIEQ_API_ASSIGN(const auto stream, parameters.boolean("stream"));
  request.stream = stream.value_or(false);
  const OrderedJson* options = parameters.find("stream_options");
  if (!options) return {};
  if (!options->is_object() || !request.stream)
    return bad_parameter("stream_options", "expected an object, together with stream: true");
  Parameters inner(*options);
  LIEQ_API_ASSIGN(const auto include_usage, inner.boolean("include_usage"));
  request.include_usage = include_usage.value_or(false);
  LIEQ_API_ASSIGN(const auto continuous, inner.boolean("continuous_usage_stats"));
  request.continuous_usage = continuous.value_or(false);
  inner.ignore("include_obfuscation");
  if (const auto known = inner.refuse_unknown(); !known)
    return bad_parameter("stream_options." + known.error().param, "not a parameter this server knows");
  return {};
}

}  // namespace

ApiResult<TextRequest> read_request(const OrderedJson& body, Route route, const Served& served) {
  Parameters parameters(body);
  TextRequest request;
  request.route = route;
  LIEQ_API_TRY(refuse_what_is_not_run(parameters));
  LIEQ_API_TRY(read_sampling(parameters, served, request));
  LIEQ_API_TRY(read_length(parameters, served, request));
  LIEQ_API_TRY(read_logprobs(parameters, request));
  LIEQ_API_TRY(read_streaming(parameters, request));
  LIEQ_API_TRY(read_output_form(parameters, served, request));
  LIEQ_API_ASSIGN(request.stop, parameters.strings("stop", 16));
  LIEQ_API_ASSIGN(const auto choices, first_integer(parameters, {"n", "n_cmpl"}, 1, kMostChoices));
  request.choices = static_cast<std::size_t>(choices.value_or(1));
  LIEQ_API_ASSIGN(const auto cache_prompt, parameters.boolean("cache_prompt"));
  request.work.share_prefix = cache_prompt.value_or(true);
  if (route == Route::kCompletion) {
    LIEQ_API_ASSIGN(const auto echo, parameters.boolean("echo"));
    request.echo = echo.value_or(false);
    request.work.prompt_logprobs = request.echo && request.work.logprobs;
  }
  LIEQ_API_TRY(read_prompts(parameters, served, request));
  LIEQ_API_TRY(parameters.refuse_unknown());
  if (request.texts() > static_cast<std::size_t>(kMostChoices))
    return bad_parameter("n", fmt::format("found {} texts, expected at most {}", request.texts(), kMostChoices));
  return request;
}

}  // namespace lieq::serve
