/// How tokens are drawn, under the names of OpenAI and of llama.cpp's server.

#include <cmath>
#include <limits>
#include <random>

#include <fmt/format.h>

#include "lieq/serve/request.h"

namespace lieq::serve {
namespace {

constexpr double kMost = 1e6;

template <class T, class From>
void set(T& target, const std::optional<From>& value) {
  if (value) target = static_cast<T>(*value);
}

/// {"15043": -100} as OpenAI has it, or [[15043, -1.5], [15043, false]] as llama.cpp.
ApiResult<void> read_logit_bias(Parameters& parameters, const Served& served, eval::SamplingOptions& sampling) {
  const std::string name = "logit_bias";
  const OrderedJson* value = parameters.find("logit_bias");
  if (!value) return {};
  const auto add = [&](const OrderedJson& id, const OrderedJson& bias) -> ApiResult<void> {
    LIEQ_API_ASSIGN(const TokenId token, read_token(id, name, served));
    double number = bias.is_number() ? bias.get<double>() : std::numeric_limits<double>::quiet_NaN();
    if (bias == false) number = -std::numeric_limits<double>::infinity();
    if (std::isnan(number) || number > kMost || (bias.is_number() && number < -kMost))
      return bad_parameter(name,
                           fmt::format("found {} for token {}, expected a number or false", in_words(bias), token));
    sampling.logit_bias.emplace_back(token, number);
    return {};
  };
  if (value->is_object()) {
    for (const auto& [key, bias] : value->items()) {
      const OrderedJson id = OrderedJson::parse(key, nullptr, false);
      LIEQ_API_TRY(add(id.is_number_unsigned() ? id : OrderedJson(key), bias));
    }
    return {};
  }
  if (!value->is_array())
    return bad_parameter(name, fmt::format("found {}, expected an object or a list", in_words(*value)));
  for (const OrderedJson& pair : *value) {
    if (!pair.is_array() || pair.size() != 2)
      return bad_parameter(name, fmt::format("found {}, expected pairs of a token id and a bias", in_words(pair)));
    LIEQ_API_TRY(add(pair[0], pair[1]));
  }
  return {};
}

/// vLLM's stop_token_ids, beside the model's own.
ApiResult<void> read_stop_tokens(Parameters& parameters, const Served& served, std::vector<TokenId>& stop_tokens) {
  const std::string name = "stop_token_ids";
  const OrderedJson* value = parameters.find("stop_token_ids");
  if (!value) return {};
  constexpr std::size_t kMostIds = 128;
  if (!value->is_array() || value->size() > kMostIds)
    return bad_parameter(name,
                         fmt::format("found {}, expected a list of at most {} token ids", in_words(*value), kMostIds));
  for (const OrderedJson& one : *value) {
    LIEQ_API_ASSIGN(const TokenId id, read_token(one, name, served));
    stop_tokens.push_back(id);
  }
  return {};
}

/// llama.cpp's list of samplers in the only order there is here.
ApiResult<void> read_samplers(Parameters& parameters) {
  static const OrderedJson kOrder = {"penalties", "dry",   "top_n_sigma", "top_k",      "typ_p",
                                     "top_p",     "min_p", "xtc",         "temperature"};
  const OrderedJson* value = parameters.find("samplers");
  if (!value || *value == kOrder) return {};
  return bad_parameter("samplers", "found another order than llama.cpp's own, expected " + kOrder.dump());
}

}  // namespace

ApiResult<void> read_sampling(Parameters& parameters, const Served& served, TextRequest& request) {
  eval::SamplingOptions& sampling = request.work.sampling;
  sampling = served.sampling;
  LIEQ_API_ASSIGN(const auto temperature, parameters.number("temperature", 0, kMost));
  LIEQ_API_ASSIGN(const auto top_p, parameters.number("top_p", 0, 1));
  LIEQ_API_ASSIGN(const auto min_p, parameters.number("min_p", 0, 1));
  LIEQ_API_ASSIGN(const auto top_k, parameters.integer("top_k", -1, 1 << 30));
  LIEQ_API_ASSIGN(const auto typical_p, parameters.number("typical_p", 0, 1));
  LIEQ_API_ASSIGN(const auto typ_p, parameters.number("typ_p", 0, 1));
  LIEQ_API_ASSIGN(const auto repeat_penalty, parameters.number("repeat_penalty", 1e-6, kMost));
  LIEQ_API_ASSIGN(const auto repetition_penalty, parameters.number("repetition_penalty", 1e-6, kMost));
  LIEQ_API_ASSIGN(const auto repeat_last_n, parameters.integer("repeat_last_n", -1, 1 << 30));
  LIEQ_API_ASSIGN(const auto presence_penalty, parameters.number("presence_penalty", -kMost, kMost));
  LIEQ_API_ASSIGN(const auto frequency_penalty, parameters.number("frequency_penalty", -kMost, kMost));
  // So low a temperature leaves the most likely token, and logits divided by it would be too large for a float.
  constexpr double kLowest = 1e-4;
  if (temperature) sampling.temperature = *temperature < kLowest ? 0 : *temperature;
  set(sampling.min_p, min_p);
  set(sampling.repeat_penalty, repeat_penalty ? repeat_penalty : repetition_penalty);
  set(sampling.presence_penalty, presence_penalty);
  set(sampling.frequency_penalty, frequency_penalty);
  // 0 leaves the most likely token, as the smallest number above it does.
  if (top_p) sampling.top_p = std::max(*top_p, 1e-9);
  if (typical_p || typ_p) sampling.typical_p = std::max(typical_p.value_or(typ_p.value_or(1)), 1e-9);
  if (top_k) sampling.top_k = *top_k < 0 ? 0 : static_cast<std::size_t>(*top_k);
  if (repeat_last_n)
    sampling.repeat_last_n = *repeat_last_n < 0 ? served.context : static_cast<std::size_t>(*repeat_last_n);
  LIEQ_API_TRY(read_logit_bias(parameters, served, sampling));
  LIEQ_API_TRY(read_samplers(parameters));

  LIEQ_API_ASSIGN(const auto seed, parameters.integer("seed", -1, std::numeric_limits<std::int64_t>::max()));
  sampling.seed = seed && *seed >= 0 ? static_cast<std::uint64_t>(*seed) : std::random_device()();

  LIEQ_API_ASSIGN(const auto ignore_eos, parameters.boolean("ignore_eos"));
  request.work.stop_tokens = served.stop_tokens;
  if (ignore_eos.value_or(false)) {
    for (const TokenId token : std::exchange(request.work.stop_tokens, {}))
      sampling.logit_bias.emplace_back(token, -std::numeric_limits<double>::infinity());
  }
  return read_stop_tokens(parameters, served, request.work.stop_tokens);
}

/// Names whose values must be the neutral ones: what they would change is not here.
ApiResult<void> refuse_what_is_not_run(Parameters& parameters) {
  struct Neutral {
    const char* name;
    double least, most;
  };
  constexpr double kAny = std::numeric_limits<double>::infinity();
  for (const Neutral& one :
       {Neutral{"mirostat", 0, 0}, Neutral{"dynatemp_range", 0, 0}, Neutral{"xtc_probability", 0, 0},
        Neutral{"dry_multiplier", 0, 0}, Neutral{"top_n_sigma", -kAny, 0}, Neutral{"min_keep", 0, 0},
        Neutral{"n_indent", 0, 0}, Neutral{"t_max_predict_ms", -kAny, 0}, Neutral{"num_beams", 1, 1},
        Neutral{"best_of", 1, 1}, Neutral{"min_tokens", 0, 0}, Neutral{"thinking_budget_tokens", -kAny, -1},
        Neutral{"reasoning_budget_tokens", -kAny, -1}}) {
    const OrderedJson* value = parameters.find(one.name);
    if (value && !(value->is_number() && value->get<double>() >= one.least && value->get<double>() <= one.most))
      return bad_parameter(one.name, fmt::format("found {}, but this server does not run it", in_words(*value)));
  }
  for (const char* name : {"functions", "function_call", "suffix", "lora", "verbosity", "audio", "web_search_options",
                           "post_sampling_probs", "use_beam_search", "image_data", "input_prefix", "input_suffix",
                           "include_stop_str_in_output", "return_token_ids", "return_tokens"}) {
    const OrderedJson* value = parameters.find(name);
    if (value && *value != false && *value != "" && !(value->is_array() && value->empty()))
      return bad_parameter(name, fmt::format("found {}, but this server does not run it", in_words(*value)));
  }
  for (const char* name : {"skip_special_tokens", "detokenize"}) {
    const OrderedJson* value = parameters.find(name);
    if (value && *value != true)
      return bad_parameter(name, fmt::format("found {}, but this server does not run it", in_words(*value)));
  }
  const OrderedJson* modalities = parameters.find("modalities");
  if (modalities && *modalities != OrderedJson::array({"text"}))
    return bad_parameter("modalities", "found " + in_words(*modalities) + ", expected [\"text\"]");
  // These change nothing in an answer, or only belong to one of the above.
  for (const char* name : {"model",
                           "user",
                           "metadata",
                           "store",
                           "service_tier",
                           "safety_identifier",
                           "prompt_cache_key",
                           "request_id",
                           "priority",
                           "spaces_between_special_tokens",
                           "prediction",
                           "id_slot",
                           "slot_id",
                           "n_keep",
                           "n_discard",
                           "timings_per_token",
                           "return_progress",
                           "mirostat_tau",
                           "mirostat_eta",
                           "dynatemp_exponent",
                           "xtc_threshold",
                           "dry_base",
                           "dry_allowed_length",
                           "dry_penalty_last_n",
                           "dry_sequence_breakers",
                           "speculative.n_max",
                           "speculative.n_min",
                           "speculative.p_min",
                           "penalize_nl",
                           "early_stopping",
                           "length_penalty",
                           "reasoning_format",  // read for chats
                           "reasoning_control",
                           "backend_sampling"})
    parameters.ignore(name);
  return {};
}

ApiResult<TokenId> read_token(const OrderedJson& value, const std::string& param, const Served& served) {
  const std::size_t vocabulary = served.bundle->model.config.vocab_size;
  if (value.is_number_integer() && value >= 0 && value < vocabulary) return value.get<TokenId>();
  return bad_parameter(param,
                       fmt::format("found {}, expected a token id from 0 to {}", in_words(value), vocabulary - 1));
}

}  // namespace lieq::serve
