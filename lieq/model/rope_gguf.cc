/// Rotary embedding in the metadata and tensors of a GGUF file. Where the meaning of a key is llama.cpp's alone, it is
/// that of its loader: a factor without a type is linear, a factor of 0 is none.

#include <cmath>

#include <fmt/format.h>

#include "lieq/base/message.h"
#include "lieq/model/config_check.h"
#include "lieq/model/rope.h"
#include "lieq/pack/decode.h"

namespace lieq::model {
namespace {

class Reader {
 public:
  Reader(const io::Gguf& gguf, const std::string& architecture, const RopeShape& shape)
      : gguf_(gguf), keys_(gguf, architecture), shape_(shape) {}

  Result<RopeConfig> read() {
    LIEQ_ASSIGN(rope_.theta, keys_.positive("rope.freq_base", 10000));
    LIEQ_ASSIGN(rope_.divisors, divisors("rope_freqs.weight"));
    LIEQ_ASSIGN(const auto type, keys_.string("rope.scaling.type"));
    if (!type || *type == "linear") {
      LIEQ_TRY(linear());
    } else if (*type == "yarn") {
      LIEQ_TRY(yarn());
    } else if (*type == "longrope") {
      LIEQ_ASSIGN(const double scale, factor());
      if (scale != 1)
        return unsupported(gguf_.file, keys_.key("rope.scaling.factor"), fmt::format("{} beside longrope", scale), "1");
    } else if (*type != "none") {
      return unsupported(gguf_.file, keys_.key("rope.scaling.type"), in_quotes(*type),
                         "one of none, linear, yarn, longrope");
    }
    LIEQ_TRY(longrope());
    // On top of what yarn itself asks for, and alone for all others.
    LIEQ_ASSIGN(const double on_top, keys_.positive("rope.scaling.attn_factor", 1));
    rope_.attention_factor *= on_top;
    if (shape_.query_growth) LIEQ_TRY(growth());
    return std::move(rope_);
  }

 private:
  /// 1 where there is none.
  Result<double> factor() const {
    for (const char* name : {"rope.scaling.factor", "rope.scale_linear"}) {
      if (!keys_.contains(name)) continue;
      LIEQ_ASSIGN(const auto found, gguf_.number(keys_.key(name)));
      return *found == 0 ? 1 : keys_.positive(name, 1);
    }
    return 1;
  }

  Result<void> linear() {
    LIEQ_ASSIGN(rope_.factor, factor());
    if (rope_.factor != 1) rope_.type = RopeType::kLinear;
    return {};
  }

  Result<void> original_context() {
    LIEQ_ASSIGN(rope_.original_max_position_embeddings,
                keys_.positive("rope.scaling.original_context_length",
                               static_cast<double>(shape_.max_position_embeddings)));
    return {};
  }

  Result<void> yarn() {
    rope_.type = RopeType::kYarn;
    LIEQ_ASSIGN(rope_.factor, factor());
    LIEQ_TRY(original_context());
    LIEQ_ASSIGN(rope_.beta_fast, keys_.positive("rope.scaling.yarn_beta_fast", rope_.beta_fast));
    LIEQ_ASSIGN(rope_.beta_slow, keys_.positive("rope.scaling.yarn_beta_slow", rope_.beta_slow));
    LIEQ_ASSIGN(const auto logs, keys_.number("rope.scaling.yarn_log_multiplier"));
    const double grown = rope_.factor <= 1 ? 0 : 0.1 * std::log(rope_.factor);
    rope_.attention_factor = (grown + 1) / (logs.value_or(0) * grown + 1);
    return {};
  }

  Result<void> growth() {
    LIEQ_ASSIGN(const auto beta, keys_.number("attention.temperature_scale"));
    rope_.query_growth = beta.value_or(0);
    LIEQ_ASSIGN(rope_.growth_period, keys_.positive("rope.scaling.original_context_length",
                                                    static_cast<double>(shape_.max_position_embeddings)));
    return {};
  }

  /// Its factors are tensors, whatever the type says.
  Result<void> longrope() {
    LIEQ_ASSIGN(rope_.short_factor, divisors("rope_factors_short.weight"));
    LIEQ_ASSIGN(rope_.long_factor, divisors("rope_factors_long.weight"));
    if (rope_.short_factor.empty() && rope_.long_factor.empty()) return {};
    if (rope_.short_factor.empty() || rope_.long_factor.empty() || rope_.type != RopeType::kDefault)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: tensors 'rope_factors_short.weight' and 'rope_factors_long.weight': found {}, "
                              "expected both, and no other scaling",
                              gguf_.file, rope_.short_factor.empty()  ? "only the second"
                                          : rope_.long_factor.empty() ? "only the first"
                                                                      : "both beside another scaling"));
    rope_.type = RopeType::kLongRope;
    return original_context();
  }

  /// Empty where there is no such tensor.
  Result<std::vector<float>> divisors(const char* tensor) const {
    std::vector<float> values;
    const io::Tensor* found = gguf_.tensors.find(tensor);
    if (found == nullptr) return values;
    const std::size_t pairs = shape_.rotated / 2;
    if (found->shape != std::vector<std::size_t>{pairs} || found->type != DType::kF32)
      return fail(ErrorCode::kInvalidFormat,
                  fmt::format("{}: tensor '{}': shape {} of {}, expected [{}] of F32", gguf_.file, tensor,
                              io::shape_text(found->shape), lieq::name(found->type), pairs));
    values.resize(pairs);
    pack::decode(DType::kF32, found->data.data(), pairs, values.data());
    for (const float divisor : values)
      if (!(divisor > 0 && divisor < 1e12F))
        return fail(ErrorCode::kInvalidFormat, fmt::format("{}: tensor '{}': found {}, expected positive numbers",
                                                           gguf_.file, tensor, divisor));
    return values;
  }

  const io::Gguf& gguf_;
  GgufKeys keys_;
  const RopeShape& shape_;
  RopeConfig rope_;
};

}  // namespace

Result<RopeConfig> rope_from_gguf(const io::Gguf& gguf, const std::string& architecture, const RopeShape& shape) {
  return Reader(gguf, architecture, shape).read();
}

}  // namespace lieq::model
