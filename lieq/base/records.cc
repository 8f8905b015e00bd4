#include "lieq/base/records.h"

namespace lieq {
namespace {

/// The fields that not every protocol and every model has.
constexpr std::pair<const char*, std::optional<double> EvalRecord::*> kOptional[] = {
    {"kl", &EvalRecord::kl},
    {"kl_stderr", &EvalRecord::kl_stderr},
    {"kl_p99", &EvalRecord::kl_p99},
    {"top1", &EvalRecord::top1},
    {"top1_stderr", &EvalRecord::top1_stderr},
    {"word_perplexity", &EvalRecord::word_perplexity},
    {"byte_perplexity", &EvalRecord::byte_perplexity},
    {"bits_per_byte", &EvalRecord::bits_per_byte},
    {"word_perplexity_stderr", &EvalRecord::word_perplexity_stderr},
    {"byte_perplexity_stderr", &EvalRecord::byte_perplexity_stderr},
    {"bits_per_byte_stderr", &EvalRecord::bits_per_byte_stderr},
};

}  // namespace

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
  if (record.stride > 0) json["stride"] = record.stride;
  for (const auto& [key, member] : kOptional)
    if (record.*member) json[key] = *(record.*member);
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
  LIEQ_ASSIGN(const auto stride, fields.count("stride"));
  record.stride = stride.value_or(0);
  for (const auto& [key, member] : kOptional) {
    LIEQ_ASSIGN(record.*member, fields.number(key));
  }
  return record;
}

}  // namespace lieq
