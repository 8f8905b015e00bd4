/// config.json, and the metadata of GGUF files: a configuration that is taken has sizes that fit together.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/file_of_bytes.h"
#include "lieq/model/config.h"

namespace {

using namespace lieq;

class Lines : public Sink {
 public:
  void warn(std::string_view line) override { fuzz::check_line(line, "fuzz: "); }
};

void check_rope(const model::RopeConfig& rope, const model::ModelConfig& config) {
  LIEQ_CHECK(std::isfinite(rope.theta) && rope.theta > 0);
  for (const std::size_t length : {std::size_t{1}, config.max_position_embeddings}) {
    const auto frequencies = model::inverse_frequencies(rope, config.rotated(), length);
    LIEQ_CHECK(frequencies.size() == config.rotated() / 2);
    for (const float frequency : frequencies) LIEQ_CHECK(std::isfinite(frequency));
  }
}

void check_config(const model::ModelConfig& config) {
  for (const std::size_t size :
       {config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.num_attention_heads,
        config.num_key_value_heads, config.head_dim, config.vocab_size, config.max_position_embeddings})
    LIEQ_CHECK(size > 0);
  LIEQ_CHECK(config.num_attention_heads % config.num_key_value_heads == 0);
  LIEQ_CHECK(config.rotated() % 2 == 0 && config.rotated() <= config.head_dim);
  for (const std::size_t size : {config.q_size(), config.kv_size(), config.hidden_size, config.intermediate_size})
    LIEQ_CHECK(checked_mul(size, config.hidden_size).has_value());
  LIEQ_CHECK(checked_mul(config.vocab_size, config.hidden_size).has_value());
  LIEQ_CHECK(config.layer_kinds.empty() || config.layer_kinds.size() == config.num_hidden_layers);
  LIEQ_CHECK(std::isfinite(config.rms_norm_eps) && config.rms_norm_eps > 0);
  for (const float factor : {config.attention_scale, config.embedding_multiplier, config.residual_multiplier,
                             config.logits_scaling, config.final_logit_softcap})
    LIEQ_CHECK(std::isfinite(factor));
  LIEQ_CHECK(model::architecture_of(config.architecture).hf_name == config.architecture);
  if (config.head_dim > 4096 || config.max_position_embeddings > (std::size_t{1} << 40)) return;
  check_rope(config.rope, config);
  if (config.window_rope) check_rope(*config.window_rope, config);
}

template <class Read>
void check_read(const Read& read) {
  Lines lines;
  const Result<model::ModelConfig> config = read(lines);
  if (!config) {
    LIEQ_CHECK(config.error().code == ErrorCode::kInvalidFormat || config.error().code == ErrorCode::kUnsupported);
    return fuzz::check_line(config.error().message, "fuzz: ");
  }
  check_config(*config);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("GGUF")) {
    const auto gguf = io::parse_gguf(std::as_bytes(std::span(data, size)), "fuzz");
    if (gguf) check_read([&](Sink& sink) { return model::config_from_gguf(*gguf, sink); });
    return 0;
  }
  const auto json = parse_json(text, "fuzz");
  if (!json) return 0;
  check_read([&](Sink& sink) { return model::config_from_json(*json, "fuzz", sink); });
  (void)model::text_config(*json);
  return 0;
}
