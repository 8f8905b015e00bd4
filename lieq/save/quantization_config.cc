#include "lieq/save/quantization_config.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "lieq/base/check.h"
#include "lieq/model/quantization_config.h"

namespace lieq::save {

std::string checkpoint_format(pack::ZeroFormat zeros, bool has_blocks) {
  switch (zeros) {
    case pack::ZeroFormat::kV1: return has_blocks ? model::kBlocksCheckpointFormat : "gptq";
    case pack::ZeroFormat::kV2: return has_blocks ? model::kBlocksV2CheckpointFormat : "gptq_v2";
    case pack::ZeroFormat::kHalf: return model::kHalfCheckpointFormat;
  }
  LIEQ_CHECK(false);
}

Json quantization_config(const PackingFacts& facts) {
  std::map<unsigned, std::vector<std::size_t>> layers_of;
  for (std::size_t l = 0; l < facts.layer_bits.size(); ++l) layers_of[facts.layer_bits[l]].push_back(l);
  LIEQ_CHECK(!layers_of.empty());
  const unsigned usual =
      std::ranges::max_element(layers_of, {}, [](const auto& one) { return one.second.size(); })->first;
  const int group_size = facts.group_size == 0 ? -1 : narrow<int>(facts.group_size);
  const std::string format = checkpoint_format(facts.zeros, !facts.blocks.empty());
  Json config = {
      {"quant_method", "gptq"},
      {"method", "gptq"},
      {"checkpoint_format", format},
      {"format", format},
      {"bits", usual},
      {"group_size", group_size},
      {"sym", facts.symmetric},
      {"desc_act", facts.desc_act},
      {"lm_head", false},
      {"pack_dtype", "int32"},
      {"meta", {{"quantizer", {facts.quantizer}}, {"damp_percent", facts.damp_percent}, {"true_sequential", true}}}};
  for (const auto& [module, type] : facts.blocks) config["blocks"][module] = name(type);
  for (const auto& [bits, layers] : layers_of) {
    if (bits == usual) continue;
    const std::string rule = fmt::format("+:^model\\.layers\\.(?:{})\\..*", fmt::join(layers, "|"));
    config["dynamic"][rule] = {{"bits", bits}, {"group_size", group_size}};
  }
  return config;
}

}  // namespace lieq::save
