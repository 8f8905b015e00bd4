#include "lieq/base/records.h"

namespace lieq {

Json to_json(const EvalRecord& record) {
  Json json = {{"model", record.model},
               {"text", record.text},
               {"protocol", record.protocol},
               {"compute", record.compute},
               {"window", record.window},
               {"num_tokens", record.num_tokens},
               {"nll", record.nll},
               {"perplexity", record.perplexity},
               {"perplexity_stderr", record.perplexity_stderr},
               {"code_bits", record.code_bits},
               {"true_bits", record.true_bits},
               {"file_bytes", record.file_bytes},
               {"seconds", record.seconds}};
  if (record.kl) json["kl"] = *record.kl;
  if (record.top1) json["top1"] = *record.top1;
  return json;
}

Result<EvalRecord> eval_record_from_json(const Json& json, const std::string& place) {
  const Fields fields(json, place);
  EvalRecord record;
  for (auto [key, target] : {std::pair{"model", &record.model}, {"text", &record.text},
                             {"protocol", &record.protocol}, {"compute", &record.compute}}) {
    LIEQ_ASSIGN(const auto value, fields.string(key));
    *target = value.value_or("");
  }
  for (auto [key, target] : {std::pair{"window", &record.window}, {"num_tokens", &record.num_tokens},
                             {"file_bytes", &record.file_bytes}}) {
    LIEQ_ASSIGN(*target, fields.required_count(key));
  }
  for (auto [key, target] : {std::pair{"nll", &record.nll}, {"perplexity", &record.perplexity},
                             {"perplexity_stderr", &record.perplexity_stderr}, {"code_bits", &record.code_bits},
                             {"true_bits", &record.true_bits},
                             {"seconds", &record.seconds}}) {
    LIEQ_ASSIGN(const auto value, fields.number(key));
    if (!value)
      return fail(ErrorCode::kInvalidFormat, place + ": field '" + key + "': missing, expected a number");
    *target = *value;
  }
  LIEQ_ASSIGN(record.kl, fields.number("kl"));
  LIEQ_ASSIGN(record.top1, fields.number("top1"));
  return record;
}

}  // namespace lieq
