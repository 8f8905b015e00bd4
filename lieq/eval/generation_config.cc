#include "lieq/eval/generation_config.h"

#include <set>

#include "lieq/base/json.h"

namespace lieq::eval {

Result<GenerationConfig> GenerationConfig::load(const std::filesystem::path& model) {
  const std::filesystem::path file = model / "generation_config.json";
  GenerationConfig config;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return config;
  LIEQ_ASSIGN(const Json json, read_json(file));
  const Fields fields(json, file.string());
  LIEQ_ASSIGN(config.do_sample, fields.boolean("do_sample"));
  LIEQ_ASSIGN(config.temperature, fields.number("temperature"));
  const Json* top_k = fields.find("top_k");
  if (top_k && top_k->is_number_integer() && !top_k->is_number_unsigned()) {
    config.top_k = 0;  // some programs write -1 for all tokens
  } else {
    LIEQ_ASSIGN(config.top_k, fields.count("top_k"));
  }
  LIEQ_ASSIGN(config.top_p, fields.number("top_p"));
  LIEQ_ASSIGN(config.min_p, fields.number("min_p"));
  LIEQ_ASSIGN(config.repetition_penalty, fields.number("repetition_penalty"));
  return config;
}

SamplingOptions GenerationConfig::sampling() const {
  if (!do_sample && !temperature && !top_k && !top_p && !min_p)
    return {.temperature = 0.8,
            .top_k = 40,
            .top_p = 0.95,
            .min_p = 0.05,
            .repeat_penalty = repetition_penalty.value_or(1)};
  SamplingOptions options;
  options.repeat_penalty = repetition_penalty.value_or(1);
  if (!do_sample.value_or(true)) return options;
  options.temperature = temperature.value_or(1);
  options.top_k = top_k.value_or(50);
  options.top_p = top_p.value_or(1);
  options.min_p = min_p.value_or(0);
  return options;
}

std::vector<model::TokenId> stop_tokens(const Bundle& bundle, std::string_view eos_token) {
  std::set<model::TokenId> stops;
  for (const std::uint64_t id : bundle.model.config.eos_token_id)
    if (id < bundle.model.config.vocab_size) stops.insert(static_cast<model::TokenId>(id));
  for (const std::string_view token :
       {eos_token, std::string_view("<|im_end|>"), std::string_view("<|eot_id|>"), std::string_view("<|eom_id|>"),
        std::string_view("<|end_of_text|>"), std::string_view("<|endoftext|>"), std::string_view("<end_of_turn>"),
        std::string_view("<|end|>")})
    if (const auto id = bundle.tokenizer.id_of(token)) stops.insert(*id);
  return {stops.begin(), stops.end()};
}

}  // namespace lieq::eval
