#include "lieq/save/quantization_config.h"

#include <algorithm>
#include <map>

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

int group_size_field(std::size_t group_size) { return group_size == 0 ? -1 : narrow<int>(group_size); }

Json gptq_config(const GptqFacts& facts) {
  const std::string format = checkpoint_format(facts.zeros);
  Json meta = {{"quantizer", {facts.quantizer}}, {"true_sequential", true}};
  if (facts.damp_percent) meta["damp_percent"] = *facts.damp_percent;
  return {{"quant_method", "gptq"},
          {"method", "gptq"},
          {"checkpoint_format", format},
          {"format", format},
          {"bits", facts.bits},
          {"group_size", group_size_field(facts.group_size)},
          {"sym", facts.symmetric},
          {"desc_act", facts.desc_act},
          {"lm_head", false},
          {"pack_dtype", "int32"},
          {"meta", std::move(meta)}};
}

Json quantization_config(const PackingFacts& facts) {
  LIEQ_CHECK(!facts.members.empty());
  const unsigned usual =
      std::ranges::max_element(facts.members, {}, [](const auto& one) { return one.second.size(); })->first;
  Json config = gptq_config({.bits = usual, .group_size = facts.group_size, .symmetric = facts.symmetric,
                             .desc_act = facts.desc_act, .zeros = facts.zeros, .damp_percent = facts.damp_percent,
                             .quantizer = facts.quantizer});
  if (!facts.blocks.empty()) {
    config["checkpoint_format"] = config["format"] = checkpoint_format(facts.zeros, true);
    for (const auto& [module, type] : facts.blocks) config["blocks"][module] = name(type);
  }
  for (const auto& [bits, members] : facts.members) {
    if (bits == usual) continue;
    const std::string rule = "+:" + pattern_of(members, facts.layers, facts.modules);
    config["dynamic"][rule] = {{"bits", bits}, {"group_size", group_size_field(facts.group_size)}};
  }
  return config;
}

}  // namespace lieq::save
