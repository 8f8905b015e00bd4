/// rope_scaling (transformers 4) and rope_parameters (transformers 5) of config.json.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/rope.h"

namespace lieq::model {
namespace {

/// The object that counts: "rope_scaling" before "rope_parameters", each only if it says anything.
Result<const Json*> scaling_object(const Fields& config, const char*& key) {
  for (const char* one : {"rope_scaling", "rope_parameters"}) {
    const Json* found = config.find(one);
    if (found == nullptr) continue;
    if (!found->is_object())
      return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field '{}': found {}, expected an object or null",
                                                         config.place(), one, brief(*found)));
    key = one;
    if (!found->empty()) return found;
  }
  return nullptr;
}

Result<RopeType> read_type(const Fields& fields) {
  LIEQ_ASSIGN(auto found, fields.string("rope_type"));
  if (!found) {
    LIEQ_ASSIGN(found, fields.string("type"));
  }
  if (!found) return RopeType::kDefault;
  const auto lists = [&](const char* key) { return fields.find(key) && fields.find(key)->is_array(); };
  // The first Phi-3 files call longrope so.
  if (*found == "su" || (*found == "yarn" && lists("short_factor") && lists("long_factor"))) return RopeType::kLongRope;
  std::string known;
  for (const RopeType one : {RopeType::kDefault, RopeType::kLinear, RopeType::kDynamic, RopeType::kYarn,
                             RopeType::kLongRope, RopeType::kLlama3}) {
    if (*found == name(one)) return one;
    known += (known.empty() ? "" : ", ") + std::string(name(one));
  }
  return unsupported(fields.place(), "rope_type", in_quotes(*found), "one of " + known);
}

/// Reads the object of one scaling type.
class ScalingReader {
 public:
  ScalingReader(const Fields& config, const Fields& scaling, const RopeShape& shape, RopeConfig& rope)
      : config_(config), scaling_(scaling), shape_(shape), rope_(rope) {}

  Result<void> read() {
    switch (rope_.type) {
      case RopeType::kDefault: return {};
      case RopeType::kLinear: return factor(std::nullopt);
      case RopeType::kDynamic: return dynamic();
      case RopeType::kYarn: return yarn();
      case RopeType::kLongRope: return longrope();
      case RopeType::kLlama3: return llama3();
    }
    LIEQ_CHECK(false);
  }

 private:
  Result<void> factor(std::optional<double> fallback) {
    LIEQ_ASSIGN(rope_.factor, positive(scaling_, "factor", fallback));
    return {};
  }

  /// Beside the object before in it, as transformers does; without either the whole context.
  Result<void> original_context() {
    const auto promised = static_cast<double>(shape_.max_position_embeddings);
    constexpr const char* kKey = "original_max_position_embeddings";
    LIEQ_ASSIGN(const double inside, positive(scaling_, kKey, promised));
    LIEQ_ASSIGN(rope_.original_max_position_embeddings, positive(config_, kKey, inside));
    return {};
  }

  Result<void> dynamic() {
    LIEQ_TRY(factor(std::nullopt));
    rope_.original_max_position_embeddings = static_cast<double>(shape_.max_position_embeddings);
    if (shape_.rotated > 2) return {};
    return unsupported(scaling_.place(), "rope_type", "'dynamic' with 2 rotated numbers in a head", "more than 2");
  }

  Result<void> yarn() {
    LIEQ_TRY(original_context());
    LIEQ_TRY(factor(static_cast<double>(shape_.max_position_embeddings) / rope_.original_max_position_embeddings));
    // A zero reads as absent in the reference.
    const auto unless_zero = [&](const char* key, double& into) -> Result<void> {
      LIEQ_ASSIGN(const auto value, scaling_.number(key));
      if (!value || *value == 0) return {};
      LIEQ_ASSIGN(into, positive(scaling_, key, std::nullopt));
      return {};
    };
    LIEQ_TRY(unless_zero("beta_fast", rope_.beta_fast));
    LIEQ_TRY(unless_zero("beta_slow", rope_.beta_slow));
    LIEQ_ASSIGN(const auto truncate, scaling_.boolean("truncate"));
    rope_.truncate = truncate.value_or(true);
    double mscale = 0, mscale_all_dim = 0;
    LIEQ_TRY(unless_zero("mscale", mscale));
    LIEQ_TRY(unless_zero("mscale_all_dim", mscale_all_dim));
    const auto scale = [&](double weight) { return rope_.factor <= 1 ? 1 : 0.1 * weight * std::log(rope_.factor) + 1; };
    const double usual = mscale != 0 && mscale_all_dim != 0 ? scale(mscale) / scale(mscale_all_dim) : scale(1);
    LIEQ_ASSIGN(rope_.attention_factor, positive(scaling_, "attention_factor", usual));
    if (rope_.theta > 1) return {};
    return fail(
        ErrorCode::kInvalidFormat,
        fmt::format("{}: field 'rope_theta': found {}, expected more than 1 for yarn", scaling_.place(), rope_.theta));
  }

  Result<void> longrope() {
    LIEQ_TRY(original_context());
    LIEQ_TRY(factor(static_cast<double>(shape_.max_position_embeddings) / rope_.original_max_position_embeddings));
    const double grown = std::log(rope_.factor) / std::log(rope_.original_max_position_embeddings);
    const double usual = rope_.factor <= 1 ? 1 : std::sqrt(1 + grown);
    LIEQ_ASSIGN(rope_.attention_factor, positive(scaling_, "attention_factor", usual));
    LIEQ_ASSIGN(rope_.short_factor, divisors("short_factor"));
    LIEQ_ASSIGN(rope_.long_factor, divisors("long_factor"));
    return {};
  }

  Result<std::vector<float>> divisors(const char* key) const {
    const Json* list = scaling_.find(key);
    const std::size_t expected = shape_.rotated / 2;
    const auto good = [](const Json& one) {
      return one.is_number() && one.get<double>() > 0 && one.get<double>() < 1e12;
    };
    if (list == nullptr || !list->is_array() || list->size() != expected || !std::ranges::all_of(*list, good))
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: field '{}': found {}, expected a list of {} positive numbers", scaling_.place(), key,
                              list == nullptr ? "nothing" : brief(*list), expected));
    std::vector<float> all;
    for (const Json& one : *list) all.push_back(one.get<float>());
    return all;
  }

  Result<void> llama3() {
    LIEQ_TRY(factor(std::nullopt));
    LIEQ_TRY(original_context());
    LIEQ_ASSIGN(rope_.low_freq_factor, positive(scaling_, "low_freq_factor", std::nullopt));
    LIEQ_ASSIGN(rope_.high_freq_factor, positive(scaling_, "high_freq_factor", std::nullopt));
    if (rope_.high_freq_factor > rope_.low_freq_factor) return {};
    return fail(ErrorCode::kInvalidFormat,
                fmt::format("{}: field 'high_freq_factor': found {}, expected more than low_freq_factor = {}",
                            scaling_.place(), rope_.high_freq_factor, rope_.low_freq_factor));
  }

  const Fields& config_;
  const Fields& scaling_;
  const RopeShape& shape_;
  RopeConfig& rope_;
};

Result<void> read_growth(const Fields& scaling, const RopeShape& shape, RopeConfig& rope) {
  LIEQ_ASSIGN(const auto growth, scaling.number("llama_4_scaling_beta"));
  rope.query_growth = growth.value_or(0);
  if (!(std::fabs(rope.query_growth) < 1e12))
    return fail(ErrorCode::kInvalidFormat, fmt::format("{}: field 'llama_4_scaling_beta': found {}, expected a number",
                                                       scaling.place(), rope.query_growth));
  LIEQ_ASSIGN(rope.growth_period, positive(scaling, "original_max_position_embeddings",
                                           static_cast<double>(shape.max_position_embeddings)));
  return {};
}

}  // namespace

Result<RopeConfig> rope_from_json(const Json& config, const RopeShape& shape, const std::string& place) {
  const Fields fields(config, place);
  RopeConfig rope;
  LIEQ_ASSIGN(rope.theta, positive(fields, "rope_theta", 10000.0));
  const char* key = "rope_parameters";
  LIEQ_ASSIGN(const Json* object, scaling_object(fields, key));
  if (object == nullptr) return rope;
  const Fields scaling(*object, place + ": " + key);
  LIEQ_ASSIGN(rope.theta, positive(scaling, "rope_theta", rope.theta));
  LIEQ_ASSIGN(rope.type, read_type(scaling));
  LIEQ_TRY(ScalingReader(fields, scaling, shape, rope).read());
  if (shape.query_growth) LIEQ_TRY(read_growth(scaling, shape, rope));
  return rope;
}

}  // namespace lieq::model
